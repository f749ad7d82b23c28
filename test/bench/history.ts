/** `--history FILE`: appends the rows of a benchmark to a file of JSON lines, from which docs/performance.md draws its chart. */
import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import type { HistoryEntry, Row } from '../../scripts/performance-page.js';

export type { Row } from '../../scripts/performance-page.js';

export function historyEntry(
  bench: string,
  subject: string,
  rows: readonly Row[],
  now = new Date(),
): HistoryEntry {
  const cores = cpus();
  return {
    date: now.toISOString(),
    commit: execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim(),
    bench,
    subject,
    machine: `${cores.length} cores (${cores[0]?.model.trim() || 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GB`,
    load: Number(loadavg()[0]!.toFixed(1)),
    rows: rows.map((row) => ({ ...row })),
  };
}

export function append(file: string, entry: HistoryEntry): void {
  appendFileSync(file, `${JSON.stringify(entry)}\n`);
}

/** Undefined without a goal. */
export function isMet({ value, goal }: Row): boolean | undefined {
  const [, sign, limit] = /^(<=|>=) ?([\d.]+)$/.exec(goal ?? '') ?? [];
  if (limit === undefined) return undefined;
  return sign === '<=' ? value <= Number(limit) : value >= Number(limit);
}

export function rowText(row: Row): string {
  const verdict = { true: 'met', false: 'MISSED' }[String(isMet(row))];
  const goal = row.goal ? `   goal ${row.goal} ${row.unit}: ${verdict}` : '';
  return `  ${row.name.padEnd(58)} ${String(round(row.value)).padStart(9)} ${row.unit}${goal}`;
}

export function round(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toFixed(2));
}
