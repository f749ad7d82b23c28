import type { Logger as TypeOrmLogger } from 'typeorm';
import type { Logger } from '../../observability/logging/logger.js';

/**
 * TypeORM logs to stdout by default, between our JSON lines. Statements are not logged, because
 * their parameters are user data.
 */
export function typeOrmLogger(log: Logger): TypeOrmLogger {
  const debug = (text: unknown) => log.debug({ from: 'typeorm', text: String(text) }, 'TypeORM message');
  return {
    logQuery: () => undefined,
    logQueryError: () => undefined, // the caller gets the error
    logQuerySlow: (ms) => log.warn({ from: 'typeorm', ms }, 'slow statement'),
    logSchemaBuild: debug,
    logMigration: debug,
    log: (_level, message) => debug(message),
  };
}
