import { EXIT } from '../../contract/image.js';
import { isRetryable } from '../migrations/engine/is-retryable.js';
import { lastLine } from '../migrations/engine/report.js';
import { writeTerminationMessage } from '../observability/crash-report.js';
import { redact } from '../observability/logging/redact.js';

/**
 * Runs a command that needs the database. After a failure that a retry can resolve, such as an unavailable database, it
 * reports the cause and resolves with `EXIT.tempFail`. Throws other errors.
 */
export async function withTemporaryFailure(databaseUrl: string, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (!isRetryable(error)) throw error;
    const line = redact(lastLine(messageOf(error as Error)), databaseUrl);
    writeTerminationMessage(line);
    process.stderr.write(`${line}\n`);
    return EXIT.tempFail;
  }
}

/** The error of a host with several addresses has no message of its own. */
function messageOf(error: Error & { errors?: Error[] }): string {
  return error.message || error.errors?.[0]?.message || error.name;
}
