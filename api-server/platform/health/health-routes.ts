import type { FastifyInstance } from 'fastify';
import { PATHS } from '../../../contract/image.js';
import type { Readiness } from './readiness.js';

/**
 * Live: the process answers. Started: it has begun to serve; a database that is
 * away must not make the kubelet kill it. Ready: it should get requests.
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
