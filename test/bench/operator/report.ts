/** Measurements as text, and as a Markdown table. */
import { percentile, type Times } from './weight-edits.js';

/** Times of steps in seconds, of edits in milliseconds. */
export interface Measured {
  objects: number;
  created: number;
  delivered: number;
  edits: Times;
  /** Edits of which every second one waits for a pod. */
  scaled: Times;
  /** Resident memory of the operator after the edits, in MiB. */
  working: number;
  floor: Times;
  restart: { seconds: number; writes: number; megabytes: number };
  /** Load average of the machine after the measurement. */
  load: number;
  /** Argo Rollouts with the same work. */
  peer: { created: number; delivered: number; edits: Times; scaled: Times; restarted: number } | undefined;
}

/** p50 / p99 in milliseconds. */
function spread(times: Times): string {
  return `${percentile(times, 0.5).toFixed(1)} / ${percentile(times, 0.99).toFixed(1)}`;
}

function ratio(times: Times, floor: Times): string {
  const at = (share: number) => (percentile(times, share) / percentile(floor, share)).toFixed(1);
  return `${at(0.5)} / ${at(0.99)}`;
}

export function print(row: Measured): void {
  const { objects, load, peer, restart } = row;
  const withPeer = (text: string | undefined) => (text === undefined ? '' : `   Argo Rollouts ${text}`);
  console.log(`
${objects} PcfApis (load average ${load.toFixed(1)})
  created -> all Ready          ${row.created.toFixed(1)} s${withPeer(peer?.created.toFixed(1))}
  new revision at weight 10     ${row.delivered.toFixed(1)} s${withPeer(peer?.delivered.toFixed(1))}
  edit -> VirtualService        ${spread(row.edits)} ms (p50 / p99)${withPeer(peer && spread(peer.edits))}
  floor                         ${spread(row.floor)} ms
  ratio                         ${ratio(row.edits, row.floor)}${withPeer(peer && ratio(peer.edits, row.floor))}
  edit that needs another pod   ${spread(row.scaled)} ms${withPeer(peer && spread(peer.scaled))}
  memory after the edits        ${row.working} MB
  restart -> all reconciled     ${restart.seconds.toFixed(2)} s, ${restart.writes} writes, RSS ${restart.megabytes} MB${withPeer(peer?.restarted.toFixed(2))}`);
}

/** A Markdown table, with Argo Rollouts in brackets. */
export function table(rows: readonly Measured[]): string {
  const bracket = (text: string | undefined) => (text === undefined ? '' : ` (${text})`);
  const lines = rows.map(({ peer, ...row }) => [
    row.objects,
    row.created.toFixed(1) + bracket(peer?.created.toFixed(1)),
    row.delivered.toFixed(1) + bracket(peer?.delivered.toFixed(1)),
    spread(row.edits) + bracket(peer && spread(peer.edits)),
    spread(row.floor),
    ratio(row.edits, row.floor) + bracket(peer && ratio(peer.edits, row.floor)),
    spread(row.scaled) + bracket(peer && spread(peer.scaled)),
    row.restart.seconds.toFixed(2) + bracket(peer?.restarted.toFixed(2)),
    row.restart.writes,
    row.restart.megabytes,
    row.working,
  ]);
  const header = [
    'PcfApis',
    'created -> Ready, s',
    'new revision, s',
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
    each(row.created * 1000, row),
    each(row.delivered * 1000, row),
    percentile(row.edits, 0.5).toFixed(1),
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
