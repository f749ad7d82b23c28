import { Delivery } from './delivery.js';
import { imageOf } from './parts/images.js';

describe('real blue-green behind istiod and Envoy, under load', function () {
  this.timeout(900_000);
  let delivery: Delivery;

  before(async () => {
    const strategy = { type: 'BlueGreen', blueGreen: { autoPromote: false } };
    delivery = await Delivery.start('blue-green', { replicas: 2, strategy });
  });

  after(() => delivery?.stop());

  it('no client reaches the new revision before the switch', async () => {
    await delivery.api.patch({ image: imageOf('1.1.0') });
    await delivery.weightInEffect(0);
    await delivery.expectShares('green is ready', '1.1.0', { gateway: 0, service: 0 });
  });

  it('the switch routes every client to the new revision', async () => {
    await delivery.pcf('promote', 'api');
    await delivery.promoted(imageOf('1.1.0'));
    await delivery.expectShares('switched', '1.1.0', { gateway: 100, service: 100, header: 100 });
  });
});
