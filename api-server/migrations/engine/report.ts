import type { MigrationReport, SchemaCheck } from '../../../contract/image.js';
import { LAST_WORDS_BYTES } from '../../observability/crash-report.js';

const ERROR_CHARS = 1_000;
const MIN_ERROR_CHARS = 200;
/**
 * Fields that are removed, in this order, if the names alone exceed the limit. No decision depends on them.
 */
const DETAILS = ['lockHolder', 'running', 'phases', 'backfill', 'error', 'irreversible'] as const;

/**
 * The report as JSON of at most 4,096 bytes. Informational parts are removed first: the end of the error,
 * findings, hidden objects, the oldest names. The decisions of the operator depend on `contracts`, `ahead`, `hidden`,
 * and on whether `backfills` is empty: if names of these are removed, `truncated` is true.
 */
export function fitReport(report: MigrationReport, limit: number = LAST_WORDS_BYTES): string {
  const fit = structuredClone(report);
  const { backfills = [], contracts = [], ahead = [], findings = [], hidden = [] } = fit;
  const isTooLong = () => Buffer.byteLength(JSON.stringify(fit)) > limit;
  const shorten = (names: string[], min = 0) => {
    while (names.length > min && isTooLong()) names.shift();
  };
  const counted = new Set([...backfills, ...contracts]);

  if (fit.error) fit.error = cutTo(fit.error, ERROR_CHARS);
  while (findings.length > 1 && isTooLong()) findings.pop();
  shortenSchemaCheck(fit.schemaCheck, isTooLong);
  if (isTooLong()) delete fit.findings;
  for (const one of hidden) if (isTooLong()) delete one.objects;
  shorten(fit.applied);
  for (const name of report.pending) {
    if (isTooLong() && !counted.has(name)) fit.pending.splice(fit.pending.indexOf(name), 1);
  }
  shorten(fit.pending);
  if (fit.error && isTooLong()) fit.error = cutTo(fit.error, MIN_ERROR_CHARS);
  if (!isTooLong()) return JSON.stringify(fit);

  fit.truncated = true;
  shorten(backfills, 1); // only whether it is empty matters
  for (const key of DETAILS) if (isTooLong()) delete fit[key];
  // `contracts` first: the operator is stricter without a name in it, and less strict without one in `ahead`.
  shorten(contracts);
  shorten(ahead);
  while (hidden.length > 0 && isTooLong()) hidden.shift(); // then an undo is rejected
  return JSON.stringify(fit);
}

/** Only whether there is a change in use matters for the decision of the operator, so one remains. */
function shortenSchemaCheck(check: SchemaCheck | undefined, isTooLong: () => boolean): void {
  while (check && check.inUse.length > 1 && isTooLong()) {
    check.inUse.pop();
    check.more = (check.more ?? 0) + 1;
  }
}

function cutTo(text: string, chars: number): string {
  return text.length > chars ? `${text.slice(0, chars - 1)}…` : text;
}

/** The report that remains in the termination message if the runner is killed after this progress. */
export function crashReport(report: MigrationReport): MigrationReport {
  const { running, backfill } = report;
  const rows =
    backfill?.name === running && backfill ? `, ${backfill.rows} of about ${backfill.total} rows done` : '';
  const at = running ? ` while ${running} ran${rows}` : '';
  return { ...report, retry: true, error: `killed${at}; the next run continues from there` };
}

/** The last line that is not empty. */
export function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)?.trim() || 'no error message';
}
