/**
 * `npm run bench -- operator`: measures the operator on a real control plane with a stand-in
 * kubelet, and compares it with its floor (a process that only watches PcfApis and sends one patch
 * per edit) and optionally with Argo Rollouts. Results depend on the machine, so compare ratios.
 */
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { eventually } from '../../support/cluster/pcf-api.js';
import { ARGO_VERSION } from './argo-program.js';
import { ArgoRollouts } from './argo-rollouts.js';
import { BenchCluster, seconds, settledForRestart } from './cluster.js';
import { nodeArgsOfImage } from './node-args.js';
import { breakdown, growth, type Measured, print, type Restart, type Results, table } from './report.js';
import { carried, weightEdits, withFloor, withPods } from './weight-edits.js';

const options = new Command('bench operator')
  .description('Measures the operator on a real control plane with a stand-in kubelet.')
  .option('--objects <counts>', 'numbers of PcfApis; one cluster grows to each of them', '50,300')
  .option('--grow', 'same as --objects 10,100,1000')
  .option('--edits <count>', 'number of weight edits, also for the floor', '200')
  .option('--operator-args <flags>', 'additional flags of the operator', '')
  .option('--node-args <flags>', "flags of the operator's Node.js", nodeArgsOfImage().join(' '))
  .option('--argo-rollouts', `compare with Argo Rollouts ${ARGO_VERSION}, built at its first use, with Go`)
  // The default limit is 40 requests per second. --qps=1000 removes its effect.
  .option('--argo-args <flags>', 'additional flags of Argo Rollouts', '')
  .option('--argo-first', 'measure Argo Rollouts first at the first size; the order alternates')
  .option('--requests', 'list the requests of each step by client')
  .addHelpText(
    'after',
    '\nExamples:\n  $ npm run bench -- operator\n  $ npm run bench -- operator --objects 50\n  $ npm run bench -- operator --grow\n  $ npm run bench -- operator --argo-rollouts\n  $ npm run bench -- operator --objects 20 --edits 10 --requests',
  )
  .parse()
  .opts<{
    objects: string;
    grow?: boolean;
    edits: string;
    operatorArgs: string;
    nodeArgs: string;
    argoRollouts?: boolean;
    argoArgs: string;
    argoFirst?: boolean;
    requests?: boolean;
  }>();

const counts = (options.grow ? '10,100,1000' : options.objects).split(',').map(Number);
const edits = Number(options.edits);
const flagsOf = (text: string) => text.split(' ').filter(Boolean);
const cluster = await BenchCluster.start(flagsOf(options.operatorArgs), flagsOf(options.nodeArgs));
await cluster.sandbox.operator.stop();
const argo = options.argoRollouts ? await ArgoRollouts.start(cluster, flagsOf(options.argoArgs)) : undefined;
try {
  await cluster.untilKindsAreKnown();
  const rows: Measured[] = [];
  for (const [index, count] of counts.entries()) {
    const measured = await measureSize(count, `1.${index + 1}.0`, index % 2 === (options.argoFirst ? 0 : 1));
    const row = { ...measured, added: count - (counts[index - 1] ?? 0) };
    print(row);
    if (options.requests) console.log(breakdown(row));
    rows.push(row);
  }
  console.log(`\n${table(rows)}`);
  if (rows.length > 1) console.log(`\n${growth(rows)}`);
} finally {
  await argo?.stop();
  await cluster.stop();
}
process.exit();

/** Measures one size. While one controller is measured, the other one is stopped. */
async function measureSize(
  objects: number,
  tag: string,
  isPeerFirst: boolean,
): Promise<Omit<Measured, 'added'>> {
  const peerFirst = argo && isPeerFirst ? await measurePeer(argo, objects, tag) : undefined;
  const ours = await measure(objects, tag);
  const load = loadavg()[0]!;
  const peer = peerFirst ?? (argo && (await measurePeer(argo, objects, tag)));
  return { objects, ...ours, load, peer };
}

async function measure(
  objects: number,
  tag: string,
): Promise<Omit<Measured, 'objects' | 'added' | 'load' | 'peer'>> {
  await cluster.sandbox.operator.restart();
  const created = await cluster.cost(cluster, () => cluster.growTo(objects));
  const delivered = await cluster.cost(cluster, () => cluster.deliver(tag));
  await cluster.settled();
  const carriedEdits = await weightEdits(cluster, edits, carried);
  await cluster.settled();
  const scaled = await weightEdits(cluster, Math.min(edits, 2 * objects), withPods);
  await cluster.settled();
  await settledForRestart(cluster.apis, cluster.routes);
  const working = await cluster.megabytes();
  await cluster.sandbox.operator.stop();
  const floor = await withFloor(cluster, (subject) => weightEdits(subject, edits, carried));
  const restarted = await restart(objects);
  await cluster.sandbox.operator.stop();
  const ours: Results = { created, delivered, edits: carriedEdits, scaled, restarted: restarted.seconds };
  return { ours, working, floor, restart: restarted };
}

async function measurePeer(argo: ArgoRollouts, objects: number, tag: string): Promise<Results> {
  await argo.run();
  const created = await cluster.cost(argo, () => argo.growTo(objects));
  const delivered = await cluster.cost(argo, () => argo.deliver(tag));
  await argo.settled();
  const carriedEdits = await weightEdits(argo, edits, carried);
  await argo.settled();
  const scaled = await weightEdits(argo, Math.min(edits, 2 * objects), withPods);
  await argo.settled();
  await argo.stop();
  await cluster.untilIdle();
  const restarted = await argo.run();
  await argo.stop();
  return { created, delivered, edits: carriedEdits, scaled, restarted };
}

/** Starts the operator with objects that need no change, and waits until each is reconciled. */
async function restart(objects: number): Promise<Restart> {
  await cluster.untilIdle();
  const took = await seconds(async () => {
    await cluster.sandbox.operator.restart();
    const done = /^controller_runtime_reconcile_total\{/;
    const isDone = async () => (await cluster.metric(done)) >= objects;
    // As often as Argo Rollouts is asked.
    await eventually('every PcfApi is reconciled', isDone, 300_000);
  });
  await sleep(1_000); // unnecessary writes would happen now
  const changes = /^rest_client_requests_total\{method="(PATCH|POST|DELETE)"/;
  const writes = await cluster.metric(changes);
  return { seconds: took, writes, megabytes: await cluster.megabytes() };
}
