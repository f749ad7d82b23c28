import type { ApolloServerPlugin, BaseContext } from '@apollo/server';
import type { Metrics } from '../metrics/metrics.js';
import { CODES } from './errors.js';

/** Counts and times operations. Names are taken only from operations that are valid. */
export function operationMetrics(metrics: Metrics): ApolloServerPlugin<BaseContext> {
  return {
    async requestDidStart() {
      const startedAt = performance.now();
      return {
        async willSendResponse({ operation, operationName, response: { body } }) {
          const failed = body.kind === 'single' && Boolean(body.singleResult.errors?.length);
          const labels = {
            operation: operation ? (operationName ?? undefined) : 'invalid',
            type: operation?.operation ?? 'unknown',
            outcome: failed ? 'error' : 'ok',
          };
          metrics.graphqlOperation(labels, (performance.now() - startedAt) / 1_000);
        },
      };
    },
  };
}

/** An answer that lacks data because the database was away is a 503, which clients and proxies know to repeat. */
export function unavailableStatus(retryAfterSeconds: () => number): ApolloServerPlugin<BaseContext> {
  return {
    async requestDidStart() {
      return {
        async willSendResponse({ response: { body, http } }) {
          if (body.kind !== 'single') return;
          const away = body.singleResult.errors?.some(
            ({ extensions }) => extensions?.code === CODES.unavailable,
          );
          if (!away) return;
          http.status = 503;
          http.headers.set('retry-after', String(retryAfterSeconds()));
        },
      };
    },
  };
}
