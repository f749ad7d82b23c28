/**
 * `npm run bench`: what the operator costs on this machine, beside the floor: a
 * process that does nothing but watch PcfApis and send one patch an edit.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { pino } from 'pino';
import { request } from 'undici';
import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import { PcfApiKind, VirtualServiceKind } from '../../operator/resources/kinds.js';
import type { KubeObject } from '../../operator/runtime/kube-client.js';
import { ResourceCache } from '../../operator/runtime/resource-cache.js';
import { Sandbox } from '../../sandbox/sandbox.js';
import { StandInKubelet } from './stand-in-kubelet.js';

const options = new Command('bench')
  .description('Measures the operator on a real control plane with a stand-in kubelet.')
  .option('--objects <count>', 'PcfApis', '50')
  .option('--edits <count>', 'edits of a weight', '200')
  .addHelpText('after', '\nExamples:\n  $ npm run bench\n  $ npm run bench -- --objects 300')
  .parse()
  .opts<{ objects: string; edits: string }>();
const objects = Number(options.objects);
const edits = Number(options.edits);
const NAMESPACE = 'bench';

const sandbox = new Sandbox('.sandbox/bench');
const logger = pino({ level: 'silent' });
const stopping = new AbortController();
try {
  await bench();
} finally {
  stopping.abort();
  await sandbox.stop();
}
process.exit();

async function bench(): Promise<void> {
  sandbox.cleanUp();
  await sandbox.startCluster((message) => console.error(message));
  await sandbox.install();
  const { client, kubectl } = sandbox.parts;
  await new StandInKubelet(client, logger).start();
  const data = { 'database-url': Buffer.from('postgresql://nowhere/none').toString('base64') };
  await kubectl.apply([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'pcf-api-secrets', namespace: NAMESPACE }, data },
  ]);
  await sandbox.startOperator();
  const apis = watch(PcfApiKind);
  const routes = watch(VirtualServiceKind);
  await Promise.all([apis.synced, routes.synced]);
  const names = Array.from({ length: objects }, (_, index) => `api-${index}`);

  await timed(`${objects} objects created -> all Ready`, async () => {
    await Promise.all(names.map((name) => client.create(PcfApiKind, pcfApi(name))));
    await until(apis, () => names.every((name) => phaseOf(apis, name) === 'Ready'));
  });
  await timed(`new revision at weight 10 on ${objects} -> all in force`, async () => {
    const spec = { image: 'registry.example.com/pcf-api:1.1.0', canaryWeight: 10 };
    await Promise.all(names.map((name) => client.patch(PcfApiKind, NAMESPACE, name, { spec })));
    await until(apis, () => names.every((name) => statusOf(apis, name)?.traffic?.effectiveWeight === 10));
  });
  await sleep(2_000);

  const ours = await weightEdits(names, routes, 'spec');
  await sandbox.operator.stop();
  const floor = await withFloor(apis, () => weightEdits(names, routes, 'annotation'));
  table(ours, floor);
  await restart(apis, names);
}

/** Edits one object after another and measures until its VirtualService has changed. Milliseconds, sorted. */
async function weightEdits(
  names: string[],
  routes: ResourceCache,
  how: 'spec' | 'annotation',
): Promise<number[]> {
  const { client } = sandbox.parts;
  const times: number[] = [];
  for (let index = 0; index < edits; index++) {
    const name = names[index % names.length]!;
    const weight = 1 + ((index * 7 + Math.floor(index / names.length)) % 30);
    const before = routes.get(NAMESPACE, name)?.metadata.resourceVersion;
    const changed = until(
      routes,
      () => routes.get(NAMESPACE, name)?.metadata.resourceVersion !== before,
      5_000,
    );
    const startedAt = performance.now();
    const patch =
      how === 'spec'
        ? { spec: { canaryWeight: weight } }
        : { metadata: { annotations: { weight: String(index) } } };
    await client.patch(PcfApiKind, NAMESPACE, name, patch);
    if (
      await changed.then(
        () => true,
        () => false,
      )
    )
      times.push(performance.now() - startedAt);
    await sleep(20);
  }
  return times.sort((a, b) => a - b);
}

/** Runs `work` while a minimal watcher sends one patch of the VirtualService for each edit it sees. */
async function withFloor<T>(apis: ResourceCache, work: () => Promise<T>): Promise<T> {
  let active = true;
  apis.on(({ object }) => {
    const note = object.metadata.annotations?.weight;
    if (!active || note === undefined) return;
    const patch = { metadata: { annotations: { weight: note } } };
    void sandbox.parts.client
      .patch(VirtualServiceKind, NAMESPACE, object.metadata.name, patch)
      .catch(() => {});
  });
  return work().finally(() => {
    active = false;
  });
}

async function restart(apis: ResourceCache, names: string[]): Promise<void> {
  const startedAt = performance.now();
  await sandbox.operator.restart();
  const metric = async (name: RegExp) => {
    const { body } = await request(`http://127.0.0.1:${sandbox.operator.port}/metrics`);
    const lines = (await body.text()).split('\n').filter((line) => name.test(line));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  };
  while ((await metric(/^controller_runtime_reconcile_total/)) < names.length) await sleep(10);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(2);
  await sleep(1_000);
  const writes = await metric(/^rest_client_requests_total\{method="(PATCH|DELETE)"/);
  const megabytes = Math.round((await metric(/^process_resident_memory_bytes/)) / 2 ** 20);
  console.log(
    `restart with ${apis.list().length} settled objects -> all reconciled: ${seconds} s, ${writes} writes, RSS ${megabytes} MB`,
  );
}

function table(ours: number[], floor: number[]): void {
  const at = (times: number[], share: number) =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
  console.log(
    `\nedit of the weight -> VirtualService changed, ${objects} objects, ${ours.length} and ${floor.length} edits`,
  );
  console.log('             p50        p99');
  for (const [name, times] of [
    ['operator', ours],
    ['floor', floor],
  ] as const) {
    console.log(
      `${name.padEnd(10)} ${at(times, 0.5).toFixed(1).padStart(5)} ms ${at(times, 0.99).toFixed(1).padStart(7)} ms`,
    );
  }
  const ratio = (share: number) => (at(ours, share) / at(floor, share)).toFixed(1);
  console.log(`ratio      ${ratio(0.5).padStart(5)} x  ${ratio(0.99).padStart(7)} x\n`);
}

function watch(type: typeof PcfApiKind): ResourceCache {
  const cache = new ResourceCache(type, sandbox.parts.client, logger, { namespace: NAMESPACE });
  void cache.run(stopping.signal);
  return cache;
}

function until(cache: ResourceCache, check: () => boolean, timeoutMs = 600_000): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not within ${timeoutMs / 1000} s`)), timeoutMs);
    const look = () => {
      if (!check()) return;
      clearTimeout(timer);
      resolve();
    };
    cache.on(look);
    look();
  });
}

async function timed(what: string, work: () => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  await work();
  console.log(`${what}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
}

function statusOf(apis: ResourceCache, name: string): PcfApi['status'] {
  return (apis.get(NAMESPACE, name) as unknown as PcfApi | undefined)?.status;
}

function phaseOf(apis: ResourceCache, name: string): string | undefined {
  return statusOf(apis, name)?.phase;
}

function pcfApi(name: string): KubeObject {
  return {
    apiVersion: 'pcf.dev/v1alpha1',
    kind: 'PcfApi',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      image: 'registry.example.com/pcf-api:1.0.0',
      replicas: 3,
      database: { secretRef: { name: 'pcf-api-secrets' } },
      traffic: { provider: 'Istio', hosts: [`${name}.example.com`], gateways: ['istio-system/public'] },
    },
  };
}
