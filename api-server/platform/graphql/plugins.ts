import type { ApolloServerPlugin, BaseContext, GraphQLRequestContext } from '@apollo/server';
import { HeaderMap } from '@apollo/server';
import { GraphQLError } from 'graphql';
import type { Metrics } from '../metrics/metrics.js';
import { CODES } from './errors.js';
import type { KnownDocument, KnownDocuments } from './execution/known-documents.js';
import type { OperationRunner } from './execution/operation-runner.js';

export interface RunPluginParts {
  documents: KnownDocuments;
  runner: OperationRunner;
  metrics: Metrics;
}

/**
 * Hands what Apollo has found valid to the runner, and keeps it for the next time.
 * Nothing that must happen at each operation belongs into an Apollo plugin: Apollo
 * sees an operation once. It belongs into the runner.
 */
export function runOperations({
  documents,
  runner,
  metrics,
}: RunPluginParts): ApolloServerPlugin<BaseContext> {
  return {
    async requestDidStart() {
      const startedAt = performance.now();
      let known: KnownDocument | undefined;
      let isRun = false;
      return {
        async didResolveOperation({ source, document, operation }) {
          if (operation?.operation === 'subscription') throw overWebSocket();
          known = documents.add(source, document);
        },
        async responseForOperation({ request, operation, contextValue }) {
          const found = known && operation && documents.operation(known, request.operationName);
          if (!found) return null; // Apollo says what is wrong with the name
          isRun = true;
          const { status, retryAfter, text, result } = await runner.run(
            found,
            contextValue,
            request.variables,
          );
          const headers = new HeaderMap();
          if (retryAfter !== undefined) headers.set('retry-after', String(retryAfter));
          return {
            http: { status, headers },
            body: { kind: 'single', singleResult: text ? JSON.parse(text) : result },
          };
        },
        async willSendResponse(context) {
          if (!isRun) countRefused(metrics, context, startedAt);
        },
      };
    },
  };
}

function countRefused(
  metrics: Metrics,
  { operation }: GraphQLRequestContext<BaseContext>,
  startedAt: number,
): void {
  const labels = { operation: 'invalid', type: operation?.operation ?? 'unknown', outcome: 'error' };
  metrics.graphqlOperation(labels, (performance.now() - startedAt) / 1_000);
}

function overWebSocket(): GraphQLError {
  return new GraphQLError('subscriptions go over WebSocket, by the protocol graphql-transport-ws', {
    extensions: { code: CODES.badUserInput, http: { status: 400 } },
  });
}
