import type { Logger } from '../../observability/logging/logger.js';
import type { StatementEvent } from './statement-observer.js';

const MAX_TEXT = 2_000;

/** Logs statements that took at least `thresholdMs`; 0 disables the log. */
export function slowQueryLog(log: Logger, thresholdMs: number): (event: StatementEvent) => void {
  if (thresholdMs === 0) return () => undefined;
  return ({ server, text, ms, rows, error }) => {
    if (ms < thresholdMs) return;
    const entry = {
      server,
      ms: Math.round(ms),
      rows,
      failed: error !== undefined,
      sql: text.slice(0, MAX_TEXT),
    };
    log.warn(entry, 'slow statement');
  };
}
