/** Actions on a PcfApi and its cluster. Each round executes every kind once, in an order that the seed sets. */
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { abort, type Action as Command, promote, retry, undo } from '../../cli/actions.js';
import type { Pod } from '../../operator/reconciler/pod-state.js';
import { DeploymentKind, PodKind, VirtualServiceKind } from '../../operator/resources/kinds.js';
import { LABELS } from '../../operator/resources/metadata.js';
import type { ResourceType } from '../../operator/runtime/kube-client.js';
import { eventually, image, type TestApi } from '../support/cluster/pcf-api.js';
import { WRITTEN } from './watchdog.js';
import type { World } from './world.js';

export interface Action {
  /** Index in the deck. Actions of one kind differ in a number or a name. */
  kind: number;
  what: string;
  act: (world: World) => Promise<unknown>;
  /** Pause before the next one. */
  pauseMs: number;
}

type Card = fc.Arbitrary<Pick<Action, 'what' | 'act'>>;

const card = (what: string, act: Action['act']): Card => fc.constant({ what, act });
const edit = (what: string, spec: object): Card => card(what, ({ api }) => api.patch(spec));
const weight = (canaryWeight: number | null) => edit(`canaryWeight ${canaryWeight}`, { canaryWeight });
const version = (tag: string) => edit(`image ${tag}`, { image: image(tag) });
const replicas = (count: number) => edit(`replicas ${count}`, { replicas: count });
const strategy = (value: object) => edit(`strategy ${JSON.stringify(value)}`, { strategy: value });

/** Runs a command of `kubectl pcf`. Errors are ignored: there may be nothing to promote or abort. */
const command = (what: string, does: Command) =>
  card(`kubectl pcf ${what}`, ({ api: { sandbox, namespace, name } }) =>
    does({ client: sandbox.parts.client, namespace }, name).catch(() => {}),
  );

/** A pause with a pending edit. */
const paused = fc.constantFrom(5, 60, 95).map((canaryWeight) => ({
  what: `paused for 0.7 s, with a pending edit to ${canaryWeight}`,
  act: async ({ api }: World) => {
    await api.patch({ paused: true });
    await api.patch({ canaryWeight });
    await sleep(700);
    await api.patch({ paused: false });
  },
}));

/** Kills the operator between two writes: the edit causes the first write, and the kill prevents the next one. */
const killedAtWrite = fc
  .tuple(fc.constantFrom(...WRITTEN), fc.constantFrom('1.0.0', '1.1.0'), fc.nat(999))
  .map(([kind, tag, number]) => ({
    what: `the operator is killed as it writes a ${kind.kind}, for image ${tag}`,
    act: async ({ api, operators, watchdog }: World) => {
      const leader = await operators.leader();
      const written = watchdog.nextWrite(kind, 3_000);
      // Each edit is unique, so that the operator has something to write.
      await api.patch({ image: image(tag), canaryWeight: 50, env: [{ name: 'CHAOS', value: `${number}` }] });
      await written;
      await watchdog.excuse(async () => {
        await leader.kill();
        await operators.leader();
      });
    },
  }));

const handOver = fc.constantFrom(10, 45, 90).map((canaryWeight) => ({
  what: `the leader stops, directly after an edit to ${canaryWeight}`,
  act: async ({ api, operators, watchdog }: World) => {
    const leader = await operators.leader();
    await api.patch({ canaryWeight });
    await watchdog.excuse(async () => {
      await leader.stop();
      await operators.leader();
    });
  },
}));

const evicted = fc.nat(20).map((index) => ({
  what: `pod ${index} is evicted`,
  act: async ({ api: { sandbox, namespace }, watchdog }: World) => {
    const ready = watchdog.ready();
    // The last ready pod remains, as with a disruption budget. It may be the last pod of its revision.
    if (ready.length < 2) return;
    const { name } = ready[index % ready.length]!.metadata;
    await sandbox.parts.client.delete(PodKind, namespace, name).catch(() => {});
  },
}));

/** SIGKILL. Requests are retried on another pod, so the revision needs a second ready pod. */
const crashed = fc.nat(20).map((index) => ({
  what: `the process of pod ${index} is killed`,
  act: async ({ api: { sandbox, namespace }, watchdog }: World) => {
    const hasAnother = ({ metadata }: Pod) => watchdog.ready(metadata.labels?.[LABELS.revision]).length > 1;
    const pods = watchdog.ready().filter(hasAnother);
    const pod = pods[index % pods.length];
    if (pod) sandbox.node.signal(namespace, pod.metadata.name, 'SIGKILL');
  },
}));

/** Edits the operator's route with another field manager. */
async function editRoute({ sandbox, namespace, name }: TestApi): Promise<void> {
  const patch = { spec: { hosts: [`${namespace}.example.com`, 'elsewhere.example.com'] } };
  const { client } = sandbox.parts;
  await client.patch(VirtualServiceKind, namespace, name, patch, { fieldManager: 'meddler' }).catch(() => {});
}

const routeEdited = card('another field manager edits the route', ({ api }) => editRoute(api));

async function addPod({ sandbox, namespace }: TestApi, deployment: string): Promise<void> {
  const { client } = sandbox.parts;
  const live = await client.get(DeploymentKind, namespace, deployment);
  const count = Number((live.spec as { replicas?: number }).replicas) + 1;
  await client.patch(
    DeploymentKind,
    namespace,
    deployment,
    { spec: { replicas: count } },
    { fieldManager: 'scaler' },
  );
}

/** An edit that requires a write while RBAC forbids it. */
const refused = (what: string, resource: string, act: (world: World) => Promise<unknown>) =>
  card(`the API server rejects writes of ${what} for a while`, (world) =>
    world.watchdog.excuse(() =>
      withoutWrites(world.api, resource, async () => {
        await act(world);
        // Without a change, the operator has nothing to write.
        await world.api.reason('Forbidden', 1_500).catch(() => {});
      }),
    ),
  );

const ClusterRoleKind: ResourceType = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  kind: 'ClusterRole',
  plural: 'clusterroles',
  namespaced: false,
};

interface Rule {
  resources: string[];
  verbs: string[];
}

/** Restricts the operator to list and watch for a kind while `work` runs. */
async function withoutWrites({ sandbox }: TestApi, resource: string, work: () => Promise<void>) {
  const { client } = sandbox.parts;
  const write = (rules: unknown) => client.patch(ClusterRoleKind, undefined, 'pcf-operator', { rules });
  const { rules } = (await client.get(ClusterRoleKind, undefined, 'pcf-operator')) as unknown as {
    rules: Rule[];
  };
  const less = rules.map((rule) =>
    rule.resources.includes(resource) ? { ...rule, verbs: ['list', 'watch'] } : rule,
  );
  await write(less);
  try {
    await work();
  } finally {
    await write(rules);
  }
}

/** The user's own route, which `routeRef` names. It has the host of the operator's route, so both exist only during a switch. */
const USER_ROUTE = 'shop';

/** The route as its owner's repository defines it. */
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

const userRouteTakesOver = card("the user's route replaces the operator's route", async ({ api }) => {
  const { client } = api.sandbox.parts;
  // The route may exist already.
  await client.create(VirtualServiceKind, userRoute(api)).catch(() => {});
  await api.patch({ traffic: { routeRef: { name: USER_ROUTE }, hosts: null, gateways: null } });
});

/** Restores the operator's route and deletes the user's route. The chaos test also finishes with this. */
export async function restoreOperatorRoute(api: TestApi): Promise<void> {
  const { namespace, name, sandbox } = api;
  const hosts = [`${namespace}.example.com`];
  await api.patch({ traffic: { routeRef: null, hosts, gateways: ['istio-system/public'] } });
  await eventually(
    "the operator's route exists",
    async () => (await api.get(VirtualServiceKind, name)) !== undefined,
  );
  await sandbox.parts.client.delete(VirtualServiceKind, namespace, USER_ROUTE).catch(() => {});
}

const ourRouteTakesOver = card("the operator's route replaces the user's route", ({ api }) =>
  restoreOperatorRoute(api),
);

/** Reverts the operator's fields in the user's route, and sets its owner's timeout. */
async function applyUserRoute(api: TestApi, seconds: number): Promise<void> {
  const { spec } = userRoute(api, seconds);
  const { client } = api.sandbox.parts;
  await client
    .patch(VirtualServiceKind, api.namespace, USER_ROUTE, { spec }, { fieldManager: 'gitops' })
    .catch(() => {}); // the route may not exist
}

const reapplyUserRoute = fc.integer({ min: 10, max: 60 }).map((seconds) => ({
  what: `the owner of the user's route applies it, with a timeout of ${seconds} s`,
  act: ({ api }: World) => applyUserRoute(api, seconds),
}));

/** Each round executes every action once. */
const DECK: readonly Card[] = [
  ...[null, 0, 1, 33, 90, 100].map(weight),
  ...['1.0.0', '1.1.0', '1.0.0', 'slow-start', 'never-ready', 'crashing', 'bad-migration', 'not-there'].map(
    version,
  ),
  ...[1, 3, 2].map(replicas),
  paused,
  strategy({ type: 'Canary', canary: { steps: [{ weight: 30, hold: '1s' }, { weight: 60 }] } }),
  strategy({ type: 'Canary', canary: { steps: [{ weight: 50, pause: true }], maxSurge: 1 } }),
  strategy({ type: 'Canary', canary: { steps: [{ weight: 20 }, { weight: 70, hold: '1s' }], mirror: 30 } }),
  strategy({ type: 'BlueGreen', blueGreen: { autoPromote: true, scaleDownDelay: '5s' } }),
  strategy({ type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }),
  strategy({ type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } }),
  command('promote', promote(false)),
  command('promote --full', promote(true)),
  command('abort', abort),
  command('retry', retry),
  command('undo', undo()),
  killedAtWrite,
  killedAtWrite,
  handOver,
  evicted,
  evicted,
  crashed,
  crashed,
  routeEdited,
  refused('routes', 'virtualservices', ({ api }) => Promise.all([editRoute(api), applyUserRoute(api, 45)])),
  refused('Deployments', 'deployments', async ({ api, watchdog }) => {
    const [deployment] = watchdog.deployments();
    if (deployment) await addPod(api, deployment.metadata.name).catch(() => {});
  }),
  userRouteTakesOver,
  ourRouteTakesOver,
  reapplyUserRoute,
];

/** A quarter of the pauses are long enough for pods of a new version to start. */
const pause = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 50, max: 800 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1_500, max: 3_000 }) },
);

const round: fc.Arbitrary<Action[]> = fc
  .shuffledSubarray([...DECK.keys()], { minLength: DECK.length })
  .chain((kinds) =>
    fc.tuple(
      ...kinds.map((kind) =>
        fc.tuple(DECK[kind]!, pause).map(([action, pauseMs]) => ({ ...action, kind, pauseMs })),
      ),
    ),
  );

export const KINDS_OF_ACTION = DECK.length;

export function actions(seed: number, rounds: number): Action[] {
  return fc.sample(round, { seed, numRuns: rounds }).flat();
}
