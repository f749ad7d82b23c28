/** What every long-running role does with its process. */
import { EXIT } from '../../contract/image.js';
import { leaveLastWords } from './last-words.js';
import type { Logger } from './logging/logger.js';
import { onSignals } from './shutdown.js';
import { onPrimaryStop } from './workers.js';

/** Resolves when the process is asked to end; a second signal ends it at once. */
export function untilAsked(): Promise<void> {
  return new Promise((resolve) => {
    onSignals(resolve, () => process.exit(EXIT.failure));
    onPrimaryStop(resolve);
  });
}

/** A bug must not leave a process that looks alive and is in no known state. */
export function endOnUnexpected(log: Logger): void {
  const end = (error: unknown) => {
    log.fatal({ err: error }, 'unexpected error, exiting');
    leaveLastWords(`unexpected error: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(EXIT.failure);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}
