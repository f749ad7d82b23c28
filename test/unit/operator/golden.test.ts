import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { KUBERNETES_YAML } from '../../../operator/api/v1alpha1/kubernetes.js';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import type { BeforeContract } from '../../../operator/api/v1alpha1/spec/data.js';
import { pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import type { RouteView } from '../../../operator/delivery/observation.js';
import { hookObject } from '../../../operator/migrations/hook.js';
import { render } from '../../../operator/reconciler/render.js';
import { components } from '../../../operator/resources/components.js';
import { newRevision } from '../../../operator/resources/revision.js';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import { gatewayApi } from '../../../operator/traffic/gateway-api.js';
import { sharedHttpRoute } from '../../../operator/traffic/gateway-api-shared.js';
import { istio } from '../../../operator/traffic/istio.js';
import { sharedVirtualService } from '../../../operator/traffic/istio-shared.js';
import type { SharedRoute } from '../../../operator/traffic/shared.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const GOLDEN = 'test/golden';

/** A canary at 25 %. In addition, 10 % of the requests are mirrored to it. */
const MIDWAY = {
  weights: { 'pcf-api-old': 75, 'pcf-api-new': 25 },
  header: 'pcf-api-new',
  mirror: 10,
} satisfies RouteView;

const read = (file: string) => parse(readFileSync(file, 'utf8')) as KubeObject;

function sampleApi(file: string): PcfApi {
  const { metadata, spec } = read(file);
  const api = pcfApi();
  return {
    ...api,
    metadata: { ...api.metadata, managedFields: undefined, name: metadata.name },
    spec: pcfApiSpec.parse(spec),
  };
}

/** A user's route after the patch of the operator. */
function patchedRoute(shared: SharedRoute, api: PcfApi, live: KubeObject): KubeObject {
  const { metadata, spec } = shared.follow(api, live, MIDWAY)!.patch as Pick<KubeObject, 'metadata' | 'spec'>;
  return {
    ...live,
    metadata: { ...live.metadata, annotations: metadata.annotations },
    spec: { ...(live.spec as object), ...(spec as object) },
  };
}

/** Compares with one YAML document per object. `UPDATE_GOLDEN=1` rewrites the file: review its diff. */
function expectGolden(objects: readonly KubeObject[], file: string): void {
  const golden = `${GOLDEN}/${file}`;
  const text = objects
    .map((object) => stringify(JSON.parse(JSON.stringify(object)), KUBERNETES_YAML))
    .join('---\n');
  if (process.env.UPDATE_GOLDEN) writeFileSync(golden, text);
  assert.ok(existsSync(golden), `${golden} is missing: run the test once with UPDATE_GOLDEN=1`);
  assert.equal(text, readFileSync(golden, 'utf8'));
}

describe('render', () => {
  for (const file of readdirSync('deploy/samples').filter((name) => name.endsWith('.yaml'))) {
    it(`renders sample ${file} as ${GOLDEN}/${file}`, () => {
      expectGolden(render(sampleApi(`deploy/samples/${file}`)), file);
    });
  }
});

describe('routing objects of a canary at 25 % with 10 % mirrored', () => {
  const api = sampleApi('deploy/samples/canary.yaml');
  const retained = ['pcf-api-new', 'pcf-api-old'];

  for (const [name, router] of [
    ['istio', istio],
    ['gateway-api', gatewayApi],
  ] as const) {
    const file = `midway/${name}.yaml`;
    it(`match ${GOLDEN}/${file}`, () => expectGolden(router.render(api, MIDWAY, retained), file));

    it(`match ${GOLDEN}/midway/sticky-${name}.yaml with sticky users`, () => {
      const sticky = sampleApi('deploy/samples/sticky-users.yaml');
      const route = { ...MIDWAY, mirror: undefined, sticky: 'shop-release' };
      expectGolden(router.render(sticky, route, retained), `midway/sticky-${name}.yaml`);
    });
  }

  for (const [name, shared] of [
    ['virtualservice', sharedVirtualService],
    ['httproute', sharedHttpRoute],
  ] as const) {
    const file = `midway/${name}-of-your-own.yaml`;
    it(`match ${GOLDEN}/${file}`, () => {
      const own = sampleApi('deploy/samples/route-of-your-own.yaml');
      expectGolden([patchedRoute(shared, own, read(`deploy/samples/routes/${name}.yaml`))], file);
    });
  }
});

describe('components with autoscaling', () => {
  it(`match ${GOLDEN}/midway/component-autoscaling.yaml`, () => {
    const api = sampleApi('deploy/samples/production.yaml');
    const spec = {
      ...api.spec,
      components: { auth: { enabled: true, replicas: 1, autoscaling: { minReplicas: 2, maxReplicas: 6 } } },
    };
    const autoscaled = { ...api, spec };
    expectGolden(components(autoscaled, newRevision(autoscaled, 1)), 'midway/component-autoscaling.yaml');
  });
});

describe('hookObject: hooks before contract', () => {
  it(`match ${GOLDEN}/midway/before-contract.yaml`, () => {
    const api = sampleApi('deploy/samples/backup-before-contract.yaml');
    const hookSpecs: BeforeContract[] = [
      { job: { image: 'postgres:18', command: ['pg_dump'], env: [], timeout: '1h' } },
      { volumeSnapshot: { persistentVolumeClaimName: 'data-postgres-0', className: 'fast' } },
      { backup: { cluster: 'pg', method: 'plugin', plugin: 'barman-cloud.cloudnative-pg.io' } },
    ];
    const hooks = hookSpecs.map((beforeContract) => {
      const migrations = { ...api.spec.migrations!, beforeContract };
      const promoted = { delivery: { promotedAt: '2026-11-23T10:00:00.000Z' } };
      return hookObject(
        { ...api, spec: { ...api.spec, migrations }, status: promoted },
        newRevision(api, 1),
        1,
      );
    });
    expectGolden(hooks, 'midway/before-contract.yaml');
  });
});
