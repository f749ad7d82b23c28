import type { FastifyInstance } from 'fastify';
import { PATHS } from '../../../contract/image.js';
import type { Readiness } from './readiness.js';

/**
 * Liveness: the process responds. Startup: the server has started; an unavailable database must not
 * make the kubelet restart it. Readiness: the process should receive requests.
 */
export function addHealthRoutes(app: FastifyInstance, readiness: Readiness): void {
  app.get(PATHS.live, async () => ({ status: 'alive' }));
  app.get(PATHS.startup, async () => ({ status: 'started' }));
  app.get(PATHS.ready, async (_request, reply) => {
    const report = readiness.report();
    return reply
      .code(report.status === 'ready' ? 200 : 503)
      .header('cache-control', 'no-store')
      .send(report);
  });
}
