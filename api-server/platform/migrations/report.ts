import type { MigrationReport } from '../../../contract/image.js';
import { LAST_WORDS_BYTES } from '../last-words.js';

const ERROR_CHARS = 1_000;

/** The report as JSON of at most 4,096 bytes: the error is cut first, then the oldest names are left out. */
export function fitReport(report: MigrationReport, limit: number = LAST_WORDS_BYTES): string {
  const { error } = report;
  const fit: MigrationReport = { ...report, applied: [...report.applied], pending: [...report.pending] };
  if (error && error.length > ERROR_CHARS) fit.error = `${error.slice(0, ERROR_CHARS - 1)}…`;
  for (const key of ['ahead', 'findings'] as const) {
    if (Buffer.byteLength(JSON.stringify(fit)) > limit) delete fit[key];
  }
  while (Buffer.byteLength(JSON.stringify(fit)) > limit) {
    const longer = fit.applied.length > fit.pending.length ? fit.applied : fit.pending;
    if (longer.length === 0) break;
    longer.shift();
  }
  return JSON.stringify(fit);
}

/** What a runner leaves that was killed at this point: the last report that anyone finds. */
export function postMortem(report: MigrationReport): MigrationReport {
  const { running, backfill } = report;
  const rows =
    backfill?.name === running && backfill ? `, ${backfill.rows} of about ${backfill.total} rows done` : '';
  const at = running ? ` while ${running} ran${rows}` : '';
  return { ...report, retry: true, error: `killed${at}; the next run goes on from there` };
}

/** The last line that says something. */
export function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)?.trim() || 'no reason given';
}
