import type { Logger as TypeOrmLogger } from 'typeorm';
import type { Logger } from '../logging/logger.js';

/**
 * TypeORM would write to stdout by itself, in between our JSON. Statements are
 * not logged: their parameters are the users' data.
 */
export function typeOrmLogger(log: Logger): TypeOrmLogger {
  const debug = (text: unknown) => log.debug({ from: 'typeorm', text: String(text) }, 'TypeORM message');
  return {
    logQuery: () => undefined,
    logQueryError: () => undefined, // whoever ran it gets the error
    logQuerySlow: (ms) => log.warn({ from: 'typeorm', ms }, 'slow statement'),
    logSchemaBuild: debug,
    logMigration: debug,
    log: (_level, message) => debug(message),
  };
}
