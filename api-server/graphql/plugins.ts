import type { ApolloServerPlugin, BaseContext } from '@apollo/server';
import { HeaderMap } from '@apollo/server';
import { GraphQLError } from 'graphql';
import { CODES } from '../errors.js';
import type { Admission } from './admission/admission.js';
import type { KnownDocuments, KnownOperation } from './execution/known-documents.js';
import type { OperationRunner } from './execution/operation-runner.js';

export interface RunPluginParts {
  documents: KnownDocuments;
  admission: Admission;
  runner: OperationRunner;
}

const OVER_WEBSOCKET = 'subscriptions require WebSocket with the protocol graphql-transport-ws';

/** Passes the operations of requests that reach Apollo to the runner, the last stage of the pipeline. */
export function runOperations({
  documents,
  admission,
  runner,
}: RunPluginParts): ApolloServerPlugin<BaseContext> {
  return {
    async requestDidStart() {
      const startedAt = performance.now();
      let found: KnownOperation | undefined;
      let isRun = false;
      return {
        async didResolveOperation({ source, operation, request }) {
          if (operation?.operation === 'subscription') throw badRequest(OVER_WEBSOCKET);
          // Known since its admission, unless it is too large for the cache.
          const known = admission.document(source);
          if ('errors' in known) throw badRequest('this document cannot be executed');
          found = documents.operation(known, request.operationName);
          if (operation && !found) throw badRequest('this operation cannot be executed');
        },
        async responseForOperation({ request, contextValue }) {
          if (!found) return null; // the document has no such operation; Apollo returns the error
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
        async willSendResponse({ operation }) {
          if (!isRun) runner.refused(operation?.operation, startedAt);
        },
      };
    },
  };
}

function badRequest(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: CODES.badUserInput, http: { status: 400 } } });
}
