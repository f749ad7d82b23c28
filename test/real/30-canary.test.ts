import { expectStickyUsers } from './browsers.js';
import { Delivery } from './delivery.js';
import { imageOf } from './parts/images.js';

describe('real canary behind istiod and Envoy, under load', function () {
  this.timeout(900_000);
  let delivery: Delivery;

  before(async () => {
    delivery = await Delivery.start('canary', { replicas: 2 });
  });

  after(() => delivery?.stop());

  it('the stable revision serves every client before a delivery', () =>
    delivery.expectShares('before', '1.0.0', { gateway: 100, service: 100, header: 100 }));

  it('weight 0: only requests with the header reach the canary', async () => {
    await delivery.api.patch({ image: imageOf('1.1.0'), canaryWeight: 0 });
    await delivery.weightInEffect(0);
    await delivery.expectShares('weight 0', '1.1.0', { gateway: 0, service: 0, header: 100 });
  });

  for (const weight of [10, 50]) {
    it(`weight ${weight}: the gateway splits requests, and the Service routes only to the stable revision`, async () => {
      await delivery.api.patch({ canaryWeight: weight });
      await delivery.weightInEffect(weight);
      const expected = { gateway: weight, service: 0, header: 100 };
      await delivery.expectShares(`weight ${weight}`, '1.1.0', expected);
    });
  }

  it('sticky users: each browser stays at its revision, and a higher weight moves browsers to the canary only', () =>
    expectStickyUsers(delivery, [50, 77]));

  it('weight 100: the promotion routes every client to the new revision', async () => {
    await delivery.api.patch({ canaryWeight: 100 });
    await delivery.promoted(imageOf('1.1.0'));
    await delivery.expectShares('weight 100', '1.1.0', { gateway: 100, service: 100, header: 100 });
  });

  it('undo routes every client to the old version', async () => {
    await delivery.pcf('undo', 'api');
    await delivery.promoted(imageOf('1.0.0'));
    await delivery.expectShares('undo', '1.0.0', { gateway: 100, service: 100, header: 100 });
  });

  it('an image that the registry does not have aborts the delivery', async () => {
    await delivery.api.patch({ image: imageOf('missing'), canaryWeight: 50 });
    await delivery.aborted('ImagePullFailed');
    await delivery.expectShares('bad image', '1.0.0', { gateway: 100, service: 100, header: 100 });
  });

  it('a crash loop aborts the delivery', async () => {
    await delivery.api.patch({ image: imageOf('crashing') });
    await delivery.aborted('CrashLoop');
    await delivery.expectShares('crash loop', '1.0.0', { gateway: 100, service: 100, header: 100 });
  });
});
