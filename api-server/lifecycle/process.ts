/** Signal and error handling of long-running roles. */
import { EXIT } from '../../contract/image.js';
import { writeTerminationMessage } from '../observability/crash-report.js';
import type { Logger } from '../observability/logging/logger.js';
import { onSignals } from './shutdown.js';
import { onPrimaryStop } from './workers.js';

/** Resolves on the first SIGTERM or SIGINT. A second signal exits immediately. */
export function untilAsked(): Promise<void> {
  return new Promise((resolve) => {
    onSignals(resolve, () => process.exit(EXIT.failure));
    onPrimaryStop(resolve);
  });
}

/** After an unexpected error the state of the process is unknown, so it must exit. */
export function endOnUnexpected(log: Logger): void {
  const end = (error: unknown) => {
    log.fatal({ err: error }, 'unexpected error, exiting');
    writeTerminationMessage(`unexpected error: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(EXIT.failure);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}
