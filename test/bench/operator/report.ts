/** Measurements as text, and as a Markdown table. */
import { perObject, type RequestCount } from './request-counts.js';
import { percentile, type Times } from './weight-edits.js';

/** One step with all objects. */
export interface Cost {
  /** Until the result is visible. */
  seconds: number;
  /** CPU time in seconds of the controller, and of etcd, API server, controller manager and scheduler together. */
  cpu: { subject: number; controlPlane: number };
  requests: readonly RequestCount[];
}

/** The same work by the operator, or by Argo Rollouts. Times of edits in milliseconds. */
export interface Results {
  created: Cost;
  delivered: Cost;
  edits: Times;
  /** Edits of which every second one waits for a pod. */
  scaled: Times;
  /** Seconds until each object is reconciled after a restart. */
  restarted: number;
}

export interface Restart {
  seconds: number;
  writes: number;
  megabytes: number;
}

export interface Measured {
  objects: number;
  /** Objects that the step `created` added: each size grows from the one before. */
  added: number;
  ours: Results;
  /** Resident memory of the operator after the edits, in MiB. */
  working: number;
  floor: Times;
  restart: Restart;
  /** Load average of the machine after the measurement. */
  load: number;
  /** Argo Rollouts with the same work. */
  peer: Results | undefined;
}

type Cell = (results: Results) => string;

/** p50 / p99 in milliseconds. */
function spread(times: Times): string {
  return `${percentile(times, 0.5).toFixed(1)} / ${percentile(times, 0.99).toFixed(1)}`;
}

function ratio(times: Times, floor: Times): string {
  const at = (share: number) => (percentile(times, share) / percentile(floor, share)).toFixed(1);
  return `${at(0.5)} / ${at(0.99)}`;
}

type Step = 'created' | 'delivered';

const secondsOf =
  (step: Step): Cell =>
  (results) =>
    results[step].seconds.toFixed(1);

/** Requests per object: of the controller, and of Kubernetes with the stand-in kubelet. */
const requestsOf =
  (step: Step, objects: number): Cell =>
  ({ [step]: { requests } }) =>
    `${perObject(requests, objects, 'subject').toFixed(1)} + ${perObject(requests, objects, 'Kubernetes').toFixed(1)}`;

/** Milliseconds of CPU per object: of the controller, and of the control plane. */
const cpuOf =
  (step: Step, objects: number): Cell =>
  ({ [step]: { cpu } }) =>
    `${((1000 * cpu.subject) / objects).toFixed(0)} + ${((1000 * cpu.controlPlane) / objects).toFixed(0)}`;

export function print(row: Measured): void {
  const { objects, added, load, floor, restart, working } = row;
  const line = (label: string, unit: string, cell: Cell, more = '') => {
    const peer = row.peer ? `   Argo Rollouts ${cell(row.peer)}` : '';
    console.log(`  ${label.padEnd(29)} ${cell(row.ours)} ${unit}${more}${peer}`);
  };
  console.log(`\n${objects} PcfApis (load average ${load.toFixed(1)})`);
  line('created -> all Ready', 's', secondsOf('created'));
  line('  requests per object', '(own + Kubernetes)', requestsOf('created', added));
  line('  CPU per object', 'ms (own + control plane)', cpuOf('created', added));
  line('new revision at weight 10', 's', secondsOf('delivered'));
  line('  requests per object', '(own + Kubernetes)', requestsOf('delivered', objects));
  line('  CPU per object', 'ms (own + control plane)', cpuOf('delivered', objects));
  line('edit -> VirtualService', 'ms (p50 / p99)', ({ edits }) => spread(edits));
  console.log(`  ${'floor'.padEnd(29)} ${spread(floor)} ms`);
  line('ratio', '', ({ edits }) => ratio(edits, floor));
  line('edit that needs another pod', 'ms', ({ scaled }) => spread(scaled));
  console.log(`  ${'memory after the edits'.padEnd(29)} ${working} MB`);
  const details = `, ${restart.writes} writes, RSS ${restart.megabytes} MB`;
  line('restart -> all reconciled', 's', ({ restarted }) => restarted.toFixed(2), details);
}

/** Requests per object of each step, by client. */
export function breakdown({ objects: all, added, ours, peer }: Measured): string {
  const list = (requests: readonly RequestCount[], objects: number) =>
    requests
      .filter(({ sender, count }) => sender !== 'bench' && count / objects >= 0.05)
      .map(({ client, request, count }) => `    ${(count / objects).toFixed(2)} ${client}: ${request}`);
  const steps = Object.entries({ PcfApi: ours, 'Argo Rollouts': peer }).flatMap(([name, results]) =>
    results
      ? (['created', 'delivered'] as const).flatMap((step) => [
          `  ${name}, ${step}`,
          ...list(results[step].requests, step === 'created' ? added : all),
        ])
      : [],
  );
  return steps.join('\n');
}

/** A Markdown table, with Argo Rollouts in brackets. */
export function table(rows: readonly Measured[]): string {
  const lines = rows.map((row) => {
    const { objects, added, ours, peer, floor, restart, working } = row;
    const both = (cell: Cell) => cell(ours) + (peer ? ` (${cell(peer)})` : '');
    return [
      objects,
      both(secondsOf('created')),
      both(requestsOf('created', added)),
      both(cpuOf('created', added)),
      both(secondsOf('delivered')),
      both(requestsOf('delivered', objects)),
      both(({ edits }) => spread(edits)),
      spread(floor),
      both(({ edits }) => ratio(edits, floor)),
      both(({ scaled }) => spread(scaled)),
      both(({ restarted }) => restarted.toFixed(2)),
      restart.writes,
      restart.megabytes,
      working,
    ];
  });
  const header = [
    'PcfApis',
    'created -> Ready, s',
    'requests each',
    'CPU each, ms',
    'new revision, s',
    'requests each',
    'edit p50 / p99, ms',
    'floor p50 / p99, ms',
    'ratio',
    'edit with pod start, ms',
    'restart, s',
    'writes',
    'RSS, MB',
    'RSS after edits, MB',
  ];
  return markdown(header, lines);
}

/** Cost per PcfApi at each size. A rising value grows faster than the number of PcfApis. */
export function growth(rows: readonly Measured[]): string {
  const each = (value: number, { objects }: Measured) => (value / objects).toFixed(1);
  const lines = rows.map((row) => [
    row.objects,
    each(row.ours.created.seconds * 1000, row),
    each(row.ours.delivered.seconds * 1000, row),
    percentile(row.ours.edits, 0.5).toFixed(1),
    each(row.restart.seconds * 1000, row),
    each(row.restart.megabytes * 1024, row),
  ]);
  const header = [
    'PcfApis',
    'created, ms each',
    'new revision, ms each',
    'edit p50, ms',
    'restart, ms each',
    'RSS, KB each',
  ];
  return markdown(header, lines);
}

function markdown(header: readonly string[], lines: readonly (string | number)[][]): string {
  return [header, header.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
