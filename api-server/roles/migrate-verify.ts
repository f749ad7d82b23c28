import 'reflect-metadata';
import { EXIT } from '../../contract/image.js';
import { loadSettings } from '../config/load.js';
import { isRetryable } from '../migrations/engine/is-retryable.js';
import { knownMigrations } from '../migrations/engine/known-migrations.js';
import { RefusedError } from '../migrations/engine/refused-error.js';
import { lastLine } from '../migrations/engine/report.js';
import type { Difference } from '../migrations/verify/difference.js';
import { type Verification, verifySchema } from '../migrations/verify/verify.js';
import { ENTITIES } from '../modules/modules.js';
import { createLogger } from '../observability/logging/logger.js';
import { redact } from '../observability/logging/redact.js';

/** Detects schema drift. Exit code 0: no drift; 1: drift. Changes nothing. */
export async function migrateVerify({ json }: { json?: boolean }): Promise<number> {
  const settings = await loadSettings();
  const log = createLogger(settings.logging.level, 'stderr');
  try {
    const verification = await verifySchema(settings, await knownMigrations(), ENTITIES, log);
    const { differences } = verification;
    process.stdout.write(
      json
        ? `${JSON.stringify({ outcome: differences.length > 0 ? 'drift' : 'same', ...verification })}\n`
        : humanReport(verification),
    );
    return differences.length > 0 ? EXIT.failure : EXIT.ok;
  } catch (error) {
    const text = redact(lastLine((error as Error).message || (error as Error).name), settings.database.url);
    process.stdout.write(json ? `${JSON.stringify({ outcome: 'failed', error: text })}\n` : `${text}\n`);
    if (error instanceof RefusedError) return EXIT.config;
    return isRetryable(error) ? EXIT.tempFail : EXIT.failure;
  }
}

function humanReport({ differences, ahead, pending }: Verification): string {
  const lines = differences.map(describe);
  if (ahead.length > 0) {
    lines.push(
      `the database is ahead by ${ahead.join(', ')}: only the tables and columns of this image's entities were compared`,
    );
  }
  if (pending.length > 0) lines.push(`pending: ${pending.join(', ')}`);
  const count = differences.length;
  lines.push(count === 0 ? 'no drift' : `${count} ${count === 1 ? 'difference' : 'differences'}`);
  return `${lines.join('\n')}\n`;
}

function describe({ name, problem, expected, found }: Difference): string {
  const details = [expected && `expected: ${expected}`, found && `found: ${found}`].filter(Boolean);
  return [`${problem.padEnd(10)} ${name}`, ...details].join('\n    ');
}
