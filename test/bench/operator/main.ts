/**
 * `npm run bench -- operator`: measures the operator on a real control plane with a stand-in
 * kubelet, and compares it with its floor (a process that only watches PcfApis and sends one patch
 * per edit) and optionally with Argo Rollouts. Results depend on the machine, so compare ratios.
 */
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { eventually } from '../../support/cluster/pcf-api.js';
import { ArgoRollouts } from './argo-rollouts.js';
import { BenchCluster, seconds } from './cluster.js';
import { NODE_ARGS } from './node-args.js';
import { growth, type Measured, print, table } from './report.js';
import { carried, weightEdits, withFloor, withPods } from './weight-edits.js';

const options = new Command('bench operator')
  .description('Measures the operator on a real control plane with a stand-in kubelet.')
  .option('--objects <counts>', 'numbers of PcfApis; one cluster grows to each of them', '50,300')
  .option('--grow', 'same as --objects 10,100,1000')
  .option('--edits <count>', 'number of weight edits, also for the floor', '200')
  .option('--operator-args <flags>', 'additional flags of the operator', '')
  .option('--node-args <flags>', "flags of the operator's Node.js", NODE_ARGS)
  .option(
    '--argo-rollouts <checkout>',
    'compare with Argo Rollouts, built in this checkout as dist/rollouts-controller',
  )
  // The default limit is 40 requests per second. --qps=1000 removes its effect.
  .option('--argo-args <flags>', 'additional flags of Argo Rollouts', '')
  .addHelpText(
    'after',
    '\nExamples:\n  $ npm run bench -- operator\n  $ npm run bench -- operator --objects 50\n  $ npm run bench -- operator --grow\n  $ npm run bench -- operator --objects 50 --argo-rollouts ../argo-rollouts',
  )
  .parse()
  .opts<{
    objects: string;
    grow?: boolean;
    edits: string;
    operatorArgs: string;
    nodeArgs: string;
    argoRollouts?: string;
    argoArgs: string;
  }>();

const counts = (options.grow ? '10,100,1000' : options.objects).split(',').map(Number);
const edits = Number(options.edits);
const flagsOf = (text: string) => text.split(' ').filter(Boolean);
const cluster = await BenchCluster.start(flagsOf(options.operatorArgs), flagsOf(options.nodeArgs));
const argo = options.argoRollouts
  ? await ArgoRollouts.start(cluster, options.argoRollouts, flagsOf(options.argoArgs))
  : undefined;
try {
  const rows: Measured[] = [];
  for (const [index, count] of counts.entries()) {
    const tag = `1.${index + 1}.0`;
    const ours = await measure(count, tag);
    const load = loadavg()[0]!;
    const peer = argo && (await measurePeer(argo, count, tag));
    print({ ...ours, load, peer });
    rows.push({ ...ours, load, peer });
  }
  console.log(`\n${table(rows)}`);
  if (rows.length > 1) console.log(`\n${growth(rows)}`);
} finally {
  await argo?.stop();
  await cluster.stop();
}
process.exit();

/** Measures one size. The operator is stopped afterwards. */
async function measure(objects: number, tag: string): Promise<Omit<Measured, 'load' | 'peer'>> {
  if (cluster.names.length > 0) await cluster.sandbox.operator.restart();
  const created = await cluster.growTo(objects);
  const delivered = await cluster.deliver(tag);
  await cluster.settled();
  const ours = await weightEdits(cluster, edits, carried);
  await cluster.settled();
  const scaled = await weightEdits(cluster, Math.min(edits, 2 * objects), withPods);
  await cluster.settled();
  const working = await cluster.megabytes();
  await cluster.sandbox.operator.stop();
  const floor = await withFloor(cluster, (subject) => weightEdits(subject, edits, carried));
  const again = await restart(objects);
  await cluster.sandbox.operator.stop();
  return { objects, created, delivered, edits: ours, scaled, working, floor, restart: again };
}

/** Measures Argo Rollouts with the same work, while the operator is stopped. */
async function measurePeer(argo: ArgoRollouts, objects: number, tag: string): Promise<Measured['peer']> {
  await argo.run();
  const created = await argo.growTo(objects);
  const delivered = await argo.deliver(tag);
  await argo.settled();
  const times = await weightEdits(argo, edits, carried);
  await argo.settled();
  const scaled = await weightEdits(argo, Math.min(edits, 2 * objects), withPods);
  await argo.settled();
  await argo.stop();
  const restarted = await argo.run();
  await argo.stop();
  return { created, delivered, edits: times, scaled, restarted };
}

/** Starts the operator with objects that need no change, and waits until each is reconciled. */
async function restart(objects: number): Promise<Measured['restart']> {
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
