import type { MigrationReport } from '../../../contract/image.js';
import { LAST_WORDS_BYTES } from '../../observability/crash-report.js';

const ERROR_CHARS = 1_000;
const LEAST_ERROR_CHARS = 200;
/** Left out in this order where names alone are too many; none of them is decided by. */
const DETAILS = ['lockHolder', 'running', 'phases', 'backfill', 'error'] as const;

/**
 * The report as JSON of at most 4,096 bytes, whatever is in it. What only people read goes first: the
 * end of the error, findings, the oldest names. The operator decides by `contracts`, `ahead` and
 * whether there are `backfills`: when names of these have to go, the report says that it is `truncated`.
 */
export function fitReport(report: MigrationReport, limit: number = LAST_WORDS_BYTES): string {
  const fit = structuredClone(report);
  const { backfills = [], contracts = [], ahead = [], findings = [] } = fit;
  const isTooLong = () => Buffer.byteLength(JSON.stringify(fit)) > limit;
  const shorten = (names: string[], least = 0) => {
    while (names.length > least && isTooLong()) names.shift();
  };
  const counted = new Set([...backfills, ...contracts]);

  if (fit.error) fit.error = cutTo(fit.error, ERROR_CHARS);
  while (findings.length > 1 && isTooLong()) findings.pop();
  if (isTooLong()) delete fit.findings;
  shorten(fit.applied);
  for (const name of report.pending) {
    if (isTooLong() && !counted.has(name)) fit.pending.splice(fit.pending.indexOf(name), 1);
  }
  shorten(fit.pending);
  if (fit.error && isTooLong()) fit.error = cutTo(fit.error, LEAST_ERROR_CHARS);
  if (!isTooLong()) return JSON.stringify(fit);

  fit.truncated = true;
  shorten(backfills, 1); // that there is one is what counts
  for (const key of DETAILS) if (isTooLong()) delete fit[key];
  // A name that is missing from `contracts` makes the operator careful, one missing from `ahead` careless.
  shorten(contracts);
  shorten(ahead);
  return JSON.stringify(fit);
}

function cutTo(text: string, chars: number): string {
  return text.length > chars ? `${text.slice(0, chars - 1)}…` : text;
}

/** What a runner leaves that was killed at this point: the last report that anyone finds. */
export function postMortem(report: MigrationReport): MigrationReport {
  const { running, backfill } = report;
  const rows =
    backfill?.name === running && backfill ? `, ${backfill.rows} of about ${backfill.total} rows done` : '';
  const at = running ? ` while ${running} ran${rows}` : '';
  return { ...report, retry: true, error: `killed${at}; the next run continues from there` };
}

/** The last line that says something. */
export function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)?.trim() || 'no reason given';
}
