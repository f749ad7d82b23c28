/**
 * The stages of a GraphQL request over HTTP, in order. Hooks of the route come before them: the
 * playground, the database and the identity. Subscriptions share the stages 3 and 5.
 */
import { type ApolloServer, type BaseContext, HeaderMap } from '@apollo/server';
import { GraphQLError } from 'graphql';
import { CODES } from '../errors.js';
import type { Admission, Admitted } from './admission/admission.js';
import type { KnownDocuments, KnownOperation } from './execution/known-documents.js';
import type { OperationAnswer, OperationRunner } from './execution/operation-runner.js';
import type { ErrorMask } from './format-error.js';
import { admittedFields, askedBy, type HttpRequest } from './graphql-request.js';
import { DEFAULT_FORMAT, type ResponseFormat, responseFormat, statusFor } from './response-format.js';

export interface PipelineParts<Context extends BaseContext> {
  apollo: ApolloServer<Context>;
  /** Apollo has plugins that must see each request. */
  hasPlugins: boolean;
  admission: Admission;
  documents: KnownDocuments;
  runner: OperationRunner;
  mask: ErrorMask;
}

export interface HttpAnswer {
  status: number;
  headers: ReadonlyMap<string, string>;
  body: string;
}

export class Pipeline<Context extends BaseContext> {
  constructor(private readonly parts: PipelineParts<Context>) {}

  async answer(request: HttpRequest, newContext: () => Context): Promise<HttpAnswer> {
    const { admission, runner } = this.parts;
    // 1. The media type of the response.
    const format = responseFormat(request.headers.accept);
    if (!format) return this.#refuse(DEFAULT_FORMAT, [notAcceptable()], 406);
    // 2. The fields of the request. Later stages use only these.
    const asked = askedBy(request);
    if (asked instanceof GraphQLError) return this.#refuse({ ...format, isLegacyJson: false }, [asked]);
    // 3. The document: trust, and once per document parsing, limits and validation.
    const admitted = admission.admit(asked);
    if ('errors' in admitted) return this.#refuse(format, admitted.errors);
    // 4. Apollo: plugins, CSRF prevention, persisted queries and unusual requests. It calls stage 5.
    const operation = this.#direct(admitted);
    if (!operation) return this.#askApollo(request, admitted, format, newContext);
    // 5. The operation: variables, cost, response cache, execution and masked errors.
    return written(format, await runner.run(operation, newContext(), admitted.variables));
  }

  /** The operation of a request for which Apollo has nothing to do. */
  #direct({ isPlain, document, operationName }: Admitted): KnownOperation | undefined {
    if (this.parts.hasPlugins || !isPlain || !document) return undefined;
    const operation = this.parts.documents.operation(document, operationName);
    return operation?.prepared.definition.operation === 'subscription' ? undefined : operation;
  }

  async #askApollo(
    request: HttpRequest,
    admitted: Admitted,
    format: ResponseFormat,
    newContext: () => Context,
  ): Promise<HttpAnswer> {
    const response = await this.parts.apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: forApollo(request, admitted, format),
      context: async () => newContext(),
    });
    const { status = 200, headers, body } = response;
    if (body.kind !== 'complete') throw new Error('unexpected incremental response');
    const code = status === 400 ? firstCode(JSON.parse(body.string)) : undefined;
    return { status: statusFor(format, status, code), headers, body: body.string };
  }

  #refuse(format: ResponseFormat, errors: readonly GraphQLError[], status = 400): HttpAnswer {
    const { runner, mask } = this.parts;
    runner.refused(undefined);
    return written(format, { status, result: { errors: errors.map(mask) } });
  }
}

function written(format: ResponseFormat, { status, retryAfter, text, result }: OperationAnswer): HttpAnswer {
  const headers = new Map([['content-type', format.contentType]]);
  if (retryAfter !== undefined) headers.set('retry-after', String(retryAfter));
  const code = firstCode(result);
  return { status: statusFor(format, status, code), headers, body: text ?? JSON.stringify(result) };
}

function firstCode({ errors }: OperationAnswer['result']): unknown {
  return errors?.[0]?.extensions?.code;
}

function notAcceptable(): GraphQLError {
  return new GraphQLError(
    'the Accept header allows neither application/json nor application/graphql-response+json',
    { extensions: { code: CODES.badUserInput } },
  );
}

/** The checked fields instead of the raw request, which Apollo could parse differently. */
function forApollo(
  { method, headers: given, body }: HttpRequest,
  admitted: Admitted,
  format: ResponseFormat,
) {
  const headers = new HeaderMap();
  for (const [name, value] of Object.entries(given)) {
    if (value) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  headers.set('accept', format.contentType);
  const fields = admittedFields(admitted);
  if (method !== 'GET') return { method, headers, body: admitted.fields ? fields : body, search: '' };
  return { method, headers, body, search: `?${new URLSearchParams(fields as Record<string, string>)}` };
}
