/** What may happen to a PcfApi and its cluster, drawn at random from a seed that can be replayed. */
import fc from 'fast-check';
import type { Pod } from '../../operator/reconciler/pods.js';
import { PodKind, VirtualServiceKind } from '../../operator/resources/kinds.js';
import { eventually, image, type TestApi } from '../support/pcf-api.js';

export interface Action {
  what: string;
  act: (api: TestApi) => Promise<unknown>;
  /** Pause before the next one. */
  pauseMs: number;
}

const edit = (what: string, spec: object) => ({ what, act: (api: TestApi) => api.patch(spec) });

const weight = fc
  .option(fc.constantFrom(0, 1, 10, 33, 50, 90, 100), { nil: null })
  .map((canaryWeight) => edit(`canaryWeight ${canaryWeight}`, { canaryWeight }));
const version = fc
  .constantFrom('1.0.0', '1.1.0', 'never-ready', 'bad-migration', 'not-there')
  .map((tag) => edit(`image ${tag}`, { image: image(tag) }));
const replicas = fc
  .integer({ min: 1, max: 3 })
  .map((count) => edit(`replicas ${count}`, { replicas: count }));
const paused = fc.boolean().map((value) => edit(`paused ${value}`, { paused: value }));
const strategy = fc
  .constantFrom(
    { type: 'Canary', canary: { steps: [{ weight: 30, hold: '1s' }, { weight: 60 }] } },
    { type: 'Canary', canary: { steps: [{ weight: 50, pause: true }], maxSurge: 1 } },
    {
      type: 'Canary',
      canary: {
        steps: [
          { weight: 20, hold: '1s' },
          { weight: 70, hold: '1s' },
        ],
        mirror: 30,
      },
    },
    { type: 'BlueGreen', blueGreen: { autoPromote: true, scaleDownDelay: '5s' } },
    { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
  )
  .map((value) => edit(`strategy ${JSON.stringify(value)}`, { strategy: value }));

const command = fc.constantFrom('promote', 'abort', 'retry', 'undo').map((name) => ({
  what: `kubectl pcf ${name}`,
  // There may be nothing to promote or abort just now: then it says so, and nothing happens.
  act: (api: TestApi) => api.sandbox.kubectlPcf([name, api.name, '-n', api.namespace]).catch(() => {}),
}));

const killOperator = fc.constant({
  what: 'the operator is killed',
  act: async ({ sandbox }: TestApi) => {
    await sandbox.operator.kill();
    await sandbox.operator.restart();
  },
});

const drainPod = fc.nat(20).map((index) => ({
  what: `pod ${index} is evicted`,
  act: async ({ sandbox, namespace, name }: TestApi) => {
    const labelSelector = `app.kubernetes.io/instance=${name},app.kubernetes.io/component=api`;
    const { items } = await sandbox.parts.client.list(PodKind, { namespace, labelSelector });
    const ready = (items as Pod[]).filter(
      ({ metadata, status }) =>
        !metadata.deletionTimestamp &&
        status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True'),
    );
    // The last one is left, as a disruption budget would.
    if (ready.length < 2) return;
    const pod = ready[index % ready.length]!;
    await sandbox.parts.client.delete(PodKind, namespace, pod.metadata.name).catch(() => {});
  },
}));

const meddle = fc.constant({
  what: 'somebody edits the route',
  act: async ({ sandbox, namespace, name }: TestApi) => {
    const patch = { spec: { hosts: [`${namespace}.example.com`, 'elsewhere.example.com'] } };
    const { client } = sandbox.parts;
    await client
      .patch(VirtualServiceKind, namespace, name, patch, { fieldManager: 'meddler' })
      .catch(() => {});
  },
});

/** The route of the user's own that `routeRef` names. It has the host of ours, so both are there only while one takes over. */
const USER_ROUTE = 'shop';

/** As it is in its owner's repository. */
function userRoute({ namespace, name }: TestApi, timeoutSeconds = 30) {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: USER_ROUTE, namespace },
    spec: {
      hosts: [`${namespace}.example.com`],
      gateways: ['istio-system/public'],
      http: [
        {
          name: 'graph',
          timeout: `${timeoutSeconds}s`,
          route: [{ destination: { host: name, port: { number: 80 } } }],
        },
      ],
    },
  };
}

const userRouteTakesOver = fc.constant({
  what: "the route becomes the user's own",
  act: async (api: TestApi) => {
    const { client } = api.sandbox.parts;
    // It may have taken over already.
    await client.create(VirtualServiceKind, userRoute(api)).catch(() => {});
    await api.patch({ traffic: { routeRef: { name: USER_ROUTE }, hosts: null, gateways: null } });
  },
});

const ourRouteTakesOver = fc.constant({
  what: 'the route becomes one of ours',
  act: async (api: TestApi) => {
    const { namespace, name, sandbox } = api;
    const hosts = [`${namespace}.example.com`];
    await api.patch({ traffic: { routeRef: null, hosts, gateways: ['istio-system/public'] } });
    await eventually(
      'there is a route of ours',
      async () => (await api.get(VirtualServiceKind, name)) !== undefined,
    );
    await sandbox.parts.client.delete(VirtualServiceKind, namespace, USER_ROUTE).catch(() => {});
  },
});

/** Sets back what is ours in it, and brings a timeout of its owner's. */
const reapplyUserRoute = fc.integer({ min: 10, max: 60 }).map((seconds) => ({
  what: `the owner of the user's route applies it, with a timeout of ${seconds} s`,
  act: (api: TestApi) => {
    const { spec } = userRoute(api, seconds);
    return api.sandbox.parts.client
      .patch(VirtualServiceKind, api.namespace, USER_ROUTE, { spec }, { fieldManager: 'gitops' })
      .catch(() => {}); // there is none just now
  },
}));

const action: fc.Arbitrary<Action> = fc
  .tuple(
    fc.oneof(
      { weight: 5, arbitrary: weight },
      { weight: 4, arbitrary: version },
      { weight: 2, arbitrary: strategy },
      { weight: 2, arbitrary: command },
      { weight: 1, arbitrary: replicas },
      { weight: 1, arbitrary: paused },
      { weight: 1, arbitrary: killOperator },
      { weight: 1, arbitrary: drainPod },
      { weight: 1, arbitrary: meddle },
      { weight: 1, arbitrary: userRouteTakesOver },
      { weight: 1, arbitrary: ourRouteTakesOver },
      { weight: 1, arbitrary: reapplyUserRoute },
    ),
    fc.integer({ min: 50, max: 2_500 }),
  )
  .map(([drawn, pauseMs]) => ({ ...drawn, pauseMs }));

export function actions(seed: number, count: number): Action[] {
  return fc.sample(action, { seed, numRuns: count });
}
