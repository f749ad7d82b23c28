/** Runs the migrations of this image and says how it went. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MigrationExecutor } from 'typeorm';
import type { MigrationReport } from '../../../contract/image.js';
import type { Settings } from '../../config/schema.js';
import { sqlState } from '../database/connection-errors.js';
import type { Logger } from '../logging/logger.js';
import { redact } from '../logging/redact.js';
import type { KnownMigration } from './known-migrations.js';
import {
  configureSession,
  jittered,
  lockSession,
  type MigrationSession,
  openSession,
} from './migration-session.js';
import { lastLine } from './report.js';

const LOCK_NOT_AVAILABLE = '55P03';

export interface RunResult {
  report: MigrationReport;
  /** Why it failed, for the caller to choose an exit code. */
  cause?: unknown;
}

/**
 * Applies what is pending. Each migration has its own transaction: all of it happens, or nothing.
 * When `interrupted` rejects, it reports at once; the server rolls back what is under way when the
 * process ends.
 */
export async function migrateUp(
  settings: Settings,
  known: KnownMigration[],
  log: Logger,
  interrupted: Promise<never>,
): Promise<RunResult> {
  const startedAt = performance.now();
  const progress: Progress = { before: [], now: [] };
  let cause: unknown;
  try {
    await Promise.race([runLocked(settings, known, progress, log), interrupted]);
  } catch (error) {
    cause = error;
  }
  return { report: reportOf(settings, known, progress, cause, performance.now() - startedAt), cause };
}

/** What is applied and what is pending; changes nothing. */
export async function migrationStatus(
  settings: Settings,
  known: KnownMigration[],
  log: Logger,
): Promise<RunResult> {
  const startedAt = performance.now();
  const progress: Progress = { before: [], now: [] };
  let cause: unknown;
  try {
    await using session = await openSession(settings, known, log);
    progress.now = await executedNames(session);
    progress.before = progress.now;
  } catch (error) {
    cause = error;
  }
  return { report: reportOf(settings, known, progress, cause, performance.now() - startedAt), cause };
}

/** Names in the database's list: when the run got the lock, and the last time we looked. */
interface Progress {
  before: string[];
  now: string[];
}

async function runLocked(settings: Settings, known: KnownMigration[], progress: Progress, log: Logger) {
  await using session = await openSession(settings, known, log);
  await lockSession(session.runner, settings.migrations.runner_wait, log);
  await configureSession(session.runner, settings.migrations.lock_timeout);
  progress.before = await executedNames(session);
  progress.now = progress.before;
  await applyAll(session, settings, progress, log);
}

/** A migration that can't get a table's lock gives way to the traffic and is tried again. */
async function applyAll(session: MigrationSession, settings: Settings, progress: Progress, log: Logger) {
  const { lock_attempts: attempts } = settings.migrations;
  for (let attempt = 1; ; attempt += 1) {
    const executor = new MigrationExecutor(session.dataSource, session.runner);
    executor.transaction = 'each';
    try {
      await executor.executePendingMigrations();
      progress.now = await executedNames(session);
      return;
    } catch (error) {
      progress.now = await executedNames(session).catch(() => progress.now);
      if (sqlState(error) !== LOCK_NOT_AVAILABLE || attempt >= attempts) throw error;
      log.warn({ attempt, attempts }, 'a table is locked, the migration gave way and is tried again');
      await sleep(jittered(Math.min(10_000, 500 * 2 ** attempt)));
    }
  }
}

async function executedNames({ dataSource, runner }: MigrationSession): Promise<string[]> {
  const executed = await new MigrationExecutor(dataSource, runner).getExecutedMigrations();
  return executed.sort((a, b) => a.timestamp - b.timestamp).map(({ name }) => name);
}

function reportOf(
  settings: Settings,
  known: KnownMigration[],
  { before, now }: Progress,
  cause: unknown,
  durationMs: number,
): MigrationReport {
  const pending = known.map(({ name }) => name).filter((name) => !now.includes(name));
  const applied = now.filter((name) => !before.includes(name));
  const report = { current: now.at(-1) ?? null, applied, pending, durationMs: Math.round(durationMs) };
  if (cause === undefined) return { outcome: applied.length > 0 ? 'done' : 'nothing', ...report };
  return { outcome: 'failed', ...report, error: errorText(cause, pending[0], settings.database.url) };
}

/** The SQL error with the migration it belongs to, in one line and without credentials. */
function errorText(cause: unknown, failing: string | undefined, url: string): string {
  const message = redact(lastLine(messageOf(cause)), url);
  return failing && sqlState(cause)?.length === 5 ? `${failing}: ${message}` : message;
}

function messageOf(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(messageOf).join('; ');
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
