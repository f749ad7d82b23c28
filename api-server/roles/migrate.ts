import 'reflect-metadata';
import { EXIT, type MigrationPhase, type MigrationReport, type ProgressLine } from '../../contract/image.js';
import { ConfigError } from '../config/config-error.js';
import { loadSettings } from '../config/load.js';
import type { Settings } from '../config/schema.js';
import { JOB_PAYLOADS } from '../jobs/payload-versions.js';
import { InterruptedError, isRetryable } from '../migrations/engine/is-retryable.js';
import { type KnownMigration, knownMigrations } from '../migrations/engine/known-migrations.js';
import { describeHolder } from '../migrations/engine/lock-holder.js';
import { crashReport, fitReport, lastLine } from '../migrations/engine/report.js';
import type { RunResult } from '../migrations/engine/run-report.js';
import { DEFAULT_PHASES, migrateUp, migrationPlan, migrationStatus } from '../migrations/engine/runner.js';
import { migratePurge, migrateRestore } from '../migrations/reversible/restore.js';
import { writeTerminationMessage } from '../observability/crash-report.js';
import { createLogger } from '../observability/logging/logger.js';
import { redact } from '../observability/logging/redact.js';
import { schemaCheckOptions } from './schema-check-options.js';

export interface MigrateOptions {
  json?: boolean;
  phase?: MigrationPhase[];
  detailedExitcode?: boolean;
  /** Of `restore`: the contract migrations. */
  names?: string[];
  /** Of `purge`: before the end of the window. */
  now?: boolean;
}

export type MigrateAction = 'up' | 'status' | 'plan' | 'restore' | 'purge';

/** `migrate up`, `plan`, `status`, `restore` and `purge`. Returns the exit code. */
export async function migrate(action: MigrateAction, options: MigrateOptions): Promise<number> {
  const known = await knownMigrations();
  const settings = await loadSettings().catch((error: unknown) => {
    if (error instanceof ConfigError) return error;
    throw error;
  });
  const result =
    settings instanceof Error ? rejected(known, settings) : await run(action, settings, known, options);
  if (action === 'up' && !(settings instanceof Error)) {
    addJobs(result);
    await addSchemaCheck(result, settings, known);
  }

  if (result.cause !== undefined) result.report.retry = isRetryable(result.cause);
  const text = fitReport(result.report);
  // The operator reads the reports from the termination log, except that of `status`.
  const isLeft = action === 'status' || writeTerminationMessage(text);
  process.stdout.write(options.json ? `${text}\n` : humanReport(result.report, known));
  const code = exitCode(result, options.detailedExitcode);
  // Without its report, a successful run is repeated: the next run finds everything applied and reports it.
  return isLeft || (code !== EXIT.ok && code !== EXIT.nothing) ? code : EXIT.tempFail;
}

function run(
  action: MigrateAction,
  settings: Settings,
  known: KnownMigration[],
  { phase: phases = DEFAULT_PHASES, json = false, names, now }: MigrateOptions,
): Promise<RunResult> {
  const log = createLogger(settings.logging.level, 'stderr'); // stdout is for the report
  if (action === 'plan') return migrationPlan(settings, known, log, phases);
  if (action === 'status') return migrationStatus(settings, known, log, phases);
  const onProgress = (report: MigrationReport) => {
    writeTerminationMessage(fitReport(crashReport(report)));
    if (json) writeProgress(report);
  };
  if (action === 'up') return migrateUp(settings, known, log, interruption(), phases, onProgress);
  const hiddenRun = { settings, known, log, interrupted: interruption(), onProgress };
  return action === 'restore' ? migrateRestore(hiddenRun, names) : migratePurge(hiddenRun, { now });
}

/** The operator compares the payload versions of two revisions before workers of the new revision start. */
function addJobs({ report, cause }: RunResult): void {
  if (cause === undefined && report.phases?.includes('expand')) report.jobs = JOB_PAYLOADS;
}

/**
 * Adds the check of the GraphQL schema to the report of a successful expand, if the operator requires it. A
 * check that fails is a failed run: a change that breaks clients must not count as safe.
 */
async function addSchemaCheck(result: RunResult, settings: Settings, known: KnownMigration[]): Promise<void> {
  const { report } = result;
  const options = schemaCheckOptions(process.env);
  if (!options || result.cause !== undefined || !report.phases?.includes('expand')) return;
  try {
    const { checkSchema } = await import('./check-schema.js');
    report.schemaCheck = await checkSchema(settings, known, options);
  } catch (cause) {
    result.cause = cause;
    report.outcome = 'failed';
    report.error = `check of the GraphQL schema: ${redact(lastLine((cause as Error).message), settings.database.url)}`;
  }
}

/** Independent of the log level: the operator parses these lines. */
function writeProgress(report: MigrationReport): void {
  const line: ProgressLine = { migration: report };
  process.stderr.write(`${JSON.stringify(line)}\n`);
}

function interruption(): Promise<never> {
  return new Promise((_resolve, reject) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () =>
        reject(new InterruptedError(`interrupted by ${signal}; the current transaction is rolled back`)),
      );
    }
  });
}

function rejected(known: KnownMigration[], cause: ConfigError): RunResult {
  const pending = known.map(({ name }) => name);
  const report = { current: null, applied: [], pending, durationMs: 0, error: cause.message };
  return { report: { outcome: 'refused', ...report }, cause };
}

function exitCode({ report, cause }: RunResult, detailed = false): number {
  if (detailed && report.outcome === 'nothing') return EXIT.nothing;
  if (report.outcome === 'refused') return EXIT.config;
  if (report.outcome !== 'failed') return EXIT.ok;
  return isRetryable(cause) ? EXIT.tempFail : EXIT.failure;
}

function humanReport(report: MigrationReport, known: KnownMigration[]): string {
  const lines = known.map(({ name, phase }) => {
    const state = report.pending.includes(name)
      ? 'pending'
      : report.applied.includes(name)
        ? 'applied'
        : 'present';
    return `${state.padEnd(8)} ${phase.padEnd(9)} ${name}`;
  });
  const summary = report.error
    ? `${report.outcome}: ${report.error}`
    : `${report.outcome} in ${report.durationMs} ms`;
  const details = [...backfillLine(report), ...holderLine(report), ...hiddenLines(report)];
  return `${[...lines, ...details, summary].join('\n')}\n`;
}

function hiddenLines({
  hidden = [],
  irreversible = [],
  restored = [],
  purged = [],
}: MigrationReport): string[] {
  return [
    ...restored.map((migration) => `restored ${migration}`),
    ...purged.map((migration) => `purged ${migration}`),
    ...hidden.flatMap(({ migration, until, objects = [], lost }) => [
      `hidden until ${until} by ${migration}: ${objects.join(', ') || 'nothing'}`,
      ...(lost
        ? [
            `${lost} written values do not fit into what ${migration} has hidden; they are NULL after a restore`,
          ]
        : []),
    ]),
    ...irreversible.map(({ migration, reason }) => `irreversible: ${migration}: ${reason}`),
  ];
}

function backfillLine({ backfill, pending, applied }: MigrationReport): string[] {
  // The report also has a backfill that an earlier run finished.
  if (!backfill || ![...pending, ...applied].includes(backfill.name)) return [];
  const { name, rows, total, rowsPerSecond, secondsLeft, cancelled, throttled, warning } = backfill;
  const left = secondsLeft == null ? '' : `, about ${secondsLeft} s left`;
  const pace = throttled ? `throttled: ${throttled}` : `${rowsPerSecond} rows/s${left}`;
  return [
    `backfill ${name}: ${rows} of about ${total} rows, ${cancelled ? 'cancelled' : pace}`,
    ...(warning ? [warning] : []),
  ];
}

function holderLine({ lockHolder, error }: MigrationReport): string[] {
  return lockHolder && !error ? [`a run is in progress: ${describeHolder(lockHolder)}`] : [];
}
