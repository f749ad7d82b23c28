import assert from 'node:assert/strict';
import {
  ControllerRevisionKind,
  DeploymentKind,
  HttpRouteKind,
  JobKind,
  ServiceKind,
  VirtualServiceKind,
} from '../../../operator/resources/kinds.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually, image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';
import { itConcurrently as it } from '../../support/runner/it-concurrently.js';

interface Http {
  name: string;
  match?: unknown;
  route: { destination: { subset: string }; weight: number }[];
}

describe('a delivery', () => {
  let sandbox: Sandbox;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
  });

  async function istioWeights(api: TestApi): Promise<{ header?: string; weights: Record<string, number> }> {
    const { http } = await api.specOf<{ http: Http[] }>(VirtualServiceKind);
    const primary = http.find(({ match }) => !match)!;
    const header = http.find(({ match }) => match)?.route[0]?.destination.subset;
    return {
      header,
      weights: Object.fromEntries(primary.route.map((r) => [r.destination.subset, r.weight])),
    };
  }

  const awaitWeight = (api: TestApi, weight: number) =>
    api.watch.until(`weight ${weight}`, ({ status } = { status: {} } as never) => {
      const { effectiveWeight, verified } = status?.traffic ?? {};
      return effectiveWeight === weight && verified === true;
    });

  it('creates the first revision, routes the weights of a canary, and promotes it', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'istio'), { replicas: 2 });
    await api.ready();
    const old = api.status.stableRevision!;
    assert.deepEqual(await istioWeights(api), { header: undefined, weights: { [old]: 100 } });
    assert.deepEqual(api.status.migration?.state, 'Succeeded');

    await api.patch({ image: image('1.1.0'), canaryWeight: 0 });
    await api.watch.until('canary at 0', ({ status } = {} as never) => status?.phase === 'Canary');
    const fresh = api.status.updateRevision!;
    assert.notEqual(fresh, old);
    assert.deepEqual(await istioWeights(api), { header: fresh, weights: { [old]: 100 } });
    assert.deepEqual(api.status.migration?.applied, ['AddRunbook1795370000101']);

    await api.patch({ canaryWeight: 30 });
    await awaitWeight(api, 30);
    assert.deepEqual(await istioWeights(api), { header: fresh, weights: { [old]: 70, [fresh]: 30 } });

    const pods = await api.owned(DeploymentKind);
    await api.patch({ canaryWeight: 100 });
    await api.ready();
    assert.equal(api.status.stableRevision, fresh);
    assert.deepEqual(await istioWeights(api), { header: undefined, weights: { [fresh]: 100 } });
    const promoted = (await api.owned(DeploymentKind)).find(({ metadata }) => metadata.name === fresh);
    assert.equal(promoted?.metadata.uid, pods.find(({ metadata }) => metadata.name === fresh)?.metadata.uid);
    assert.equal((await api.owned(ControllerRevisionKind)).length, 2);
    await api.remove();
  });

  it('is canceled when the image is reverted: the route changes immediately, the canary is deleted after a delay', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'back'), {
      strategy: { type: 'Canary', canary: { scaleDownDelay: '2s' } },
    });
    await api.ready();
    const old = api.status.stableRevision!;
    await api.patch({ image: image('1.1.0'), canaryWeight: 50 });
    await awaitWeight(api, 50);
    await api.patch({ image: image('1.0.0') });
    await api.ready();
    assert.deepEqual(await istioWeights(api), { header: undefined, weights: { [old]: 100 } });
    assert.equal((await api.owned(DeploymentKind)).length, 2);
    await eventually('the canary is deleted', async () => (await api.owned(DeploymentKind)).length === 1);
    await api.remove();
  });

  it('creates a revision when config or env changes, but not when the weight or replicas change', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'inputs'));
    await api.ready();
    const first = api.status.stableRevision;
    await api.patch({ replicas: 2, canaryWeight: 100 });
    await api.ready();
    assert.equal(api.status.stableRevision, first);
    await api.patch({ config: { logging: { level: 'warn' } } });
    await api.watch.until(
      'second revision',
      ({ status } = {} as never) => status?.phase === 'Ready' && status.stableRevision !== first,
    );
    const second = api.status.stableRevision;
    await api.patch({ env: [{ name: 'GREETING', value: 'hello' }] });
    await api.watch.until(
      'third revision',
      ({ status } = {} as never) => status?.phase === 'Ready' && status.stableRevision !== second,
    );
    await api.remove();
  });

  it('does not change the weight while paused, and continues when resumed', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'paused'));
    await api.ready();
    await api.patch({ image: image('1.1.0'), canaryWeight: 20 });
    await awaitWeight(api, 20);
    await api.patch({ paused: true, canaryWeight: 80 });
    await api.reason('Paused');
    assert.match(api.message(), /stays at 20 %; canaryWeight 80 is not applied/);
    assert.equal((await istioWeights(api)).weights[api.status.updateRevision!], 20);
    await api.patch({ paused: false });
    await awaitWeight(api, 80);
    await api.remove();
  });

  it('sets the weights of an HTTPRoute when the provider is GatewayAPI', async () => {
    const namespace = await newTenant(sandbox, 'gwapi');
    const traffic = {
      provider: 'GatewayAPI',
      hosts: [`${namespace}.example.com`],
      gateways: ['gateways/public'],
    };
    const api = await TestApi.create(sandbox, namespace, { traffic });
    await api.ready();
    const old = api.status.stableRevision!;
    await api.patch({ image: image('1.1.0'), canaryWeight: 25 });
    await awaitWeight(api, 25);
    const fresh = api.status.updateRevision!;
    const { rules } = await api.specOf<{
      rules: {
        matches: { headers?: { name: string }[] }[];
        backendRefs: { name: string; weight: number }[];
      }[];
    }>(HttpRouteKind);
    const [header, primary] = rules;
    assert.equal(header?.matches[0]?.headers?.[0]?.name, 'x-canary');
    assert.deepEqual(
      header?.backendRefs.map(({ name }) => name),
      [fresh],
    );
    assert.deepEqual(Object.fromEntries(primary!.backendRefs.map(({ name, weight }) => [name, weight])), {
      [old]: 75,
      [fresh]: 25,
    });
    await api.patch({ canaryWeight: 100 });
    await api.ready();
    await api.remove();
  });

  it('splits traffic by the number of pods when the provider is None', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'none'), {
      replicas: 2,
      traffic: { provider: 'None' },
    });
    await api.ready();
    const selector = async () =>
      (await api.specOf<{ selector: Record<string, string> }>(ServiceKind)).selector['pcf.dev/revision'];
    const old = api.status.stableRevision!;
    assert.equal(await selector(), old);
    await api.patch({ image: image('1.1.0'), canaryWeight: 50 });
    await awaitWeight(api, 50);
    assert.equal(await selector(), undefined);
    await api.patch({ canaryWeight: 100 });
    await api.ready();
    assert.notEqual(api.status.stableRevision, old);
    assert.equal(await selector(), api.status.stableRevision);
    await api.remove();
  });

  it('supports kubectl scale and kubectl wait', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'scale'));
    const { kubectl } = sandbox.parts;
    await kubectl.run(['wait', 'pcf/api', '-n', api.namespace, '--for=condition=Ready', '--timeout=60s']);
    await kubectl.run(['scale', 'pcf/api', '-n', api.namespace, '--replicas=2']);
    await api.watch.until(
      'two pods',
      ({ status } = {} as never) => status?.phase === 'Ready' && status.readyReplicas === 2,
    );
    await api.remove();
  });

  it('deletes the route first, and then all owned objects, when the PcfApi is deleted', async () => {
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'delete'));
    await api.ready();
    await api.remove();
    assert.equal(await api.get(VirtualServiceKind), undefined);
    for (const kind of [DeploymentKind, ServiceKind, JobKind, ControllerRevisionKind]) {
      await eventually(`every ${kind.kind} is deleted`, async () => (await api.owned(kind)).length === 0);
    }
  });
});
