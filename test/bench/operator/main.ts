/**
 * `npm run bench -- operator`: what the operator costs on this machine, on a real control
 * plane with a stand-in kubelet, beside the floor: a process that does nothing but watch
 * PcfApis and send one patch an edit. A figure means little without its floor.
 */
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { BenchCluster, seconds } from './cluster.js';
import { percentile, type Times, weightEdits, withFloor } from './weight-edits.js';

const options = new Command('bench operator')
  .description('Measures the operator on a real control plane with a stand-in kubelet.')
  .option('--objects <counts>', 'PcfApis, one cluster grown to each of these', '50,300')
  .option('--grow', 'the same as --objects 10,100,1000')
  .option('--edits <count>', 'edits of a weight, and as many for the floor', '200')
  .option('--operator-args <flags>', 'further flags of the operator', '')
  .addHelpText(
    'after',
    '\nExamples:\n  $ npm run bench -- operator\n  $ npm run bench -- operator --objects 50\n  $ npm run bench -- operator --grow',
  )
  .parse()
  .opts<{ objects: string; grow?: boolean; edits: string; operatorArgs: string }>();

interface Row {
  objects: number;
  created: number;
  delivered: number;
  edits: Times;
  scaled: Times;
  floor: Times;
  restart: { seconds: number; writes: number; megabytes: number };
}

const counts = (options.grow ? '10,100,1000' : options.objects).split(',').map(Number);
const cluster = await BenchCluster.start(options.operatorArgs.split(' ').filter(Boolean));
try {
  const rows: Row[] = [];
  for (const [index, count] of counts.entries()) {
    const row = await measure(count, `1.${index + 1}.0`);
    rows.push(row);
    print(row);
  }
  console.log(`\n${markdown(rows)}`);
} finally {
  await cluster.stop();
}
process.exit();

async function measure(objects: number, tag: string): Promise<Row> {
  const created = await cluster.growTo(objects);
  const delivered = await cluster.deliver(tag);
  await cluster.settled();
  const edits = Number(options.edits);
  const ours = await weightEdits(cluster, edits, 'weight');
  await cluster.settled();
  const scaled = await weightEdits(cluster, Math.min(edits, 2 * objects), 'weight and pods');
  await cluster.settled();
  await cluster.sandbox.operator.stop();
  const floor = await withFloor(cluster, () => weightEdits(cluster, edits, 'annotation'));
  return { objects, created, delivered, edits: ours, scaled, floor, restart: await restart(objects) };
}

/** Starts the operator beside objects that are all as they should be, and waits until it has looked at each. */
async function restart(objects: number): Promise<Row['restart']> {
  const took = await seconds(async () => {
    await cluster.sandbox.operator.restart();
    const done = /^controller_runtime_reconcile_total\{/;
    while ((await cluster.metric(done)) < objects) await sleep(10);
  });
  await sleep(1_000); // a write that it should not make would come now
  const changes = /^rest_client_requests_total\{method="(PATCH|POST|DELETE)"/;
  const writes = await cluster.metric(changes);
  const megabytes = Math.round((await cluster.metric(/^process_resident_memory_bytes/)) / 2 ** 20);
  return { seconds: took, writes, megabytes };
}

function print({ objects, created, delivered, edits, scaled, floor, restart: again }: Row): void {
  const ms = (times: Times) =>
    `${percentile(times, 0.5).toFixed(1)} / ${percentile(times, 0.99).toFixed(1)} ms`;
  const ratio = (share: number) => (percentile(edits, share) / percentile(floor, share)).toFixed(1);
  console.log(`
${objects} PcfApis (load average ${loadavg()[0]!.toFixed(1)})
  created -> all Ready          ${created.toFixed(1)} s
  new revision at weight 10     ${delivered.toFixed(1)} s
  edit -> VirtualService        ${ms(edits)} (p50 / p99)
  floor                         ${ms(floor)}
  ratio                         ${ratio(0.5)} / ${ratio(0.99)}
  the same, with pods to start  ${ms(scaled)}
  restart -> all reconciled     ${again.seconds.toFixed(2)} s, ${again.writes} writes, RSS ${again.megabytes} MB`);
}

function markdown(rows: readonly Row[]): string {
  const at = (times: Times) => `${percentile(times, 0.5).toFixed(1)} / ${percentile(times, 0.99).toFixed(1)}`;
  const lines = rows.map(({ objects, created, delivered, edits, scaled, floor, restart: again }) =>
    [
      objects,
      created.toFixed(1),
      delivered.toFixed(1),
      at(edits),
      at(floor),
      `${(percentile(edits, 0.5) / percentile(floor, 0.5)).toFixed(1)} / ${(percentile(edits, 0.99) / percentile(floor, 0.99)).toFixed(1)}`,
      at(scaled),
      again.seconds.toFixed(2),
      again.writes,
      again.megabytes,
    ].join(' | '),
  );
  return [
    '| PcfApis | created -> Ready, s | new revision, s | edit p50 / p99, ms | floor p50 / p99, ms | ratio | with pods to start, ms | restart, s | writes | RSS, MB |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...lines.map((line) => `| ${line} |`),
  ].join('\n');
}
