/** The generated part of docs/performance.md: the newest figures and their history, as `npm run bench -- NAME --history` appended them. */
import { existsSync, readFileSync } from 'node:fs';

/** A measured value. `goal`: `<=` or `>=` and a number of the same unit. */
export interface Row {
  name: string;
  value: number;
  unit: string;
  goal?: string;
}

/** A line of the history. */
export interface HistoryEntry {
  /** ISO 8601, UTC. */
  date: string;
  commit: string;
  bench: string;
  /** What was measured, such as a number of objects. */
  subject: string;
  machine: string;
  /** Load average of the last minute. A value above the number of cores means that other programs ran. */
  load: number;
  rows: Row[];
}

export const PAGE = 'docs/performance.md';
export const HISTORY = 'docs/performance-history.jsonl';
const [START, END] = [
  '<!-- generated from performance-history.jsonl by npm run generate -->',
  '<!-- end -->',
];
/** Rows with a chart. */
const CHARTS = ['peak RSS of the start', 'CPU time of the start', 'edit to VirtualService, p50'];
const MAX_POINTS = 12;

/** The page with its generated part renewed. */
export function performancePage(): string {
  const page = readFileSync(PAGE, 'utf8');
  const [before, rest] = page.split(START);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`${PAGE} lacks "${START}" or "${END}"`);
  const lines = existsSync(HISTORY) ? readFileSync(HISTORY, 'utf8').split('\n').filter(Boolean) : [];
  return `${before}${START}\n\n${sections(lines.map((line) => JSON.parse(line) as HistoryEntry))}\n${END}${after}`;
}

/** One section per benchmark and subject. */
export function sections(entries: readonly HistoryEntry[]): string {
  const bySubject = Map.groupBy(entries, ({ bench, subject }) => `${bench}: ${subject}`);
  return [...bySubject].map(([title, some]) => section(title, some)).join('\n');
}

function section(title: string, entries: readonly HistoryEntry[]): string {
  const newest = entries.at(-1)!;
  const { date, commit, machine, load } = newest;
  const table = newest.rows.map(
    ({ name, value, unit, goal }) =>
      `| ${name} | ${value} ${unit} | ${goal ? goal.replace('<=', '≤').replace('>=', '≥') : ''} |`,
  );
  return [
    `### ${title}`,
    '',
    `${date.slice(0, 10)}, commit ${commit}, ${machine}, load average ${load}`,
    '',
    '| | measured | goal |',
    '|---|---|---|',
    ...table,
    '',
    ...CHARTS.flatMap((name) => chart(name, entries)),
  ].join('\n');
}

/** A chart needs two points. */
function chart(name: string, entries: readonly HistoryEntry[]): string[] {
  const points = entries
    .flatMap(({ commit, rows }) =>
      rows.filter((row) => row.name === name).map(({ value, unit }) => ({ commit, value, unit })),
    )
    .slice(-MAX_POINTS);
  if (points.length < 2) return [];
  const values = points.map(({ value }) => value);
  return [
    '```mermaid',
    'xychart-beta',
    `  title "${name}"`,
    `  x-axis [${points.map(({ commit }) => `"${commit}"`).join(', ')}]`,
    `  y-axis "${points[0]!.unit}" 0 --> ${Math.ceil(Math.max(...values) * 1.2)}`,
    `  bar [${values.join(', ')}]`,
    '```',
    '',
  ];
}
