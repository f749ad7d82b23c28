/**
 * `npm run bench -- scale`: the operator with thousands of settled PcfApis: memory, start, edits, resync and a relist
 * after an expired version, and the dashboard. The floor of an edit is a process that only watches PcfApis and sends
 * one patch per edit.
 */
import { Command } from 'commander';
import { append, historyEntry, type Row, round, rowText } from '../history.js';
import { nodeArgsOfImage } from '../operator/node-args.js';
import { percentile, type Times, withFloor } from '../operator/weight-edits.js';
import { dashboardRows } from './dashboard.js';
import { type Loaded, load } from './load.js';
import { OperatorRun } from './operator-run.js';
import { MIN_SUBJECTS, steadyEdits } from './steady-edits.js';

const EDITS_PER_SECOND = 20;

const options = new Command('bench scale')
  .description('Measures the operator with thousands of settled PcfApis on a real API server.')
  .option('--objects <count>', 'number of PcfApis, each with two Deployments and three running pods', '10000')
  .option('--edits <count>', 'number of weight edits per measurement', '600')
  .option('--operator-args <flags>', 'additional flags of the operator', '')
  .option('--node-args <flags>', "flags of the operator's Node.js", nodeArgsOfImage().join(' '))
  .option('--skip <list>', 'any of edits, resync, relist, dashboard', '')
  .option('--history <file>', 'append the rows to this file of JSON lines')
  .parse()
  .opts<Record<'objects' | 'edits' | 'operatorArgs' | 'nodeArgs' | 'skip', string> & { history?: string }>();

const objects = Number(options.objects);
const edits = Number(options.edits);
const isMeasured = (part: string) => !options.skip.split(',').includes(part);
const rows: Row[] = [];
const record = (...some: Row[]) => {
  for (const row of some) console.log(rowText(row));
  rows.push(...some);
};

const flagsOf = (text: string) => text.split(' ').filter(Boolean);
const nodeArgs = flagsOf(options.nodeArgs);
const inDelivery = Math.max(MIN_SUBJECTS, Math.min(200, Math.round(objects / 50)));
const loaded = await load(objects, inDelivery, nodeArgs);
try {
  console.log(`\n${objects} PcfApis, ${inDelivery} of them with a delivery`);
  await measure(loaded);
  if (isMeasured('dashboard')) record(...(await dashboardRows(loaded.cluster)));
} finally {
  await loaded.cluster.stop();
}
const entry = historyEntry(
  'scale',
  `${objects} PcfApis`,
  rows.map((row) => ({ ...row, value: round(row.value) })),
);
console.log(`\n${entry.machine}, load average ${entry.load}, commit ${entry.commit}`);
if (options.history) append(options.history, entry);
process.exit();

async function measure({ cluster, delivering }: Loaded): Promise<void> {
  const run = new OperatorRun(cluster, objects, flagsOf(options.operatorArgs), nodeArgs);
  const subject = { ...cluster, names: delivering, setWeight: cluster.setWeight.bind(cluster) };
  const editing = () => steadyEdits(subject, edits, EDITS_PER_SECOND);
  record(...(await run.start()));
  let quiet: Times | undefined;
  if (isMeasured('edits')) {
    quiet = await editing();
    record(...(await run.reconcileAll()));
  }
  record(...(await run.stop()));
  if (quiet) {
    const floor = await withFloor({ ...cluster, client: cluster.client, names: delivering }, (floored) =>
      steadyEdits(floored, edits, EDITS_PER_SECOND),
    );
    record(
      milliseconds('floor of an edit, p50', floor, 0.5),
      milliseconds('floor of an edit, p99', floor, 0.99),
      milliseconds('edit to VirtualService, p50', quiet, 0.5, `<= ${round(percentile(floor, 0.5) + 10)}`),
      milliseconds('edit to VirtualService, p99', quiet, 0.99, '<= 100'),
    );
  }
  if (quiet && isMeasured('resync')) {
    await run.start(['--resync', '20s']);
    const limit = round(percentile(quiet, 0.99) * 1.2);
    record(milliseconds('edit during a resync each 20 s, p99', await editing(), 0.99, `<= ${limit}`));
    await run.stop();
  }
  if (quiet && isMeasured('relist')) {
    const expire = await run.startBehindProxy();
    const times = editing();
    setTimeout(expire, 2_000);
    record(milliseconds('edit during a relist of the pods, p99', await times, 0.99, '<= 250'));
    await run.stop();
  }
}

function milliseconds(name: string, times: Times, share: number, goal?: string): Row {
  return { name, value: percentile(times, share), unit: 'ms', ...(goal ? { goal } : {}) };
}
