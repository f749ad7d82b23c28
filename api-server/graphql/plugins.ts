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

/**
 * Passes operations that Apollo has validated to the runner, and adds them to the known documents.
 * Apollo runs only once per document, so code for each operation belongs into the runner and not
 * into an Apollo plugin.
 */
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
        async didResolveOperation({ source, document, operation, request }) {
          if (operation?.operation === 'subscription') throw badRequest(OVER_WEBSOCKET);
          // The document was checked at admission. It is checked again because Apollo itself has no
          // limits.
          const problem = admission.problemOfDocument(source, document);
          if (problem) throw badRequest(problem.message, problem.extensions);
          found = documents.operation(documents.add(source, document), request.operationName);
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

function badRequest(message: string, extensions: object = { code: CODES.badUserInput }): GraphQLError {
  return new GraphQLError(message, { extensions: { ...extensions, http: { status: 400 } } });
}
