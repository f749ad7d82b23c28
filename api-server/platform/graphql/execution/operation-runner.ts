/** Runs operations that are ready: within their cost and their time, counted and timed, errors masked. */
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { databaseSession } from '../../database/session.js';
import type { OperationMetrics } from '../../metrics/operation-metrics.js';
import { nameOperation } from '../../tracing/operation-spans.js';
import { CODES } from '../errors.js';
import type { ErrorFormatter } from '../format-error.js';
import { tooExpensive } from '../limits/operation-cost.js';
import type { Executed } from './executor.js';
import type { KnownOperation } from './known-documents.js';

export interface RunnerParts {
  maxCost: number;
  /** ms; 0 is without end. */
  deadline: number;
  formatError: ErrorFormatter;
  metrics: Pick<OperationMetrics, 'graphqlOperation'>;
  /** What a client that was told to come again is told to wait. */
  retryAfterSeconds(): number;
}

export interface OperationAnswer {
  status: number;
  retryAfter?: number;
  result: { data?: Record<string, unknown> | null; errors?: GraphQLFormattedError[] };
}

type Variables = Record<string, unknown>;

export class OperationRunner {
  constructor(private readonly parts: RunnerParts) {}

  /** Never rejects. */
  async run(
    operation: KnownOperation,
    context: unknown,
    given: Variables | null | undefined,
  ): Promise<OperationAnswer> {
    const startedAt = performance.now();
    const { name, definition } = operation.prepared;
    const type = definition.operation;
    nameOperation(type, name);
    const answer = await this.#answer(operation, context, given);
    const outcome = answer.result.errors ? 'error' : 'ok';
    const seconds = (performance.now() - startedAt) / 1_000;
    this.parts.metrics.graphqlOperation({ operation: name, type, outcome }, seconds);
    return answer;
  }

  async #answer(
    { prepared, cost }: KnownOperation,
    context: unknown,
    given: Variables | null | undefined,
  ): Promise<OperationAnswer> {
    const { values, errors } = prepared.variables(given);
    if (errors) return this.#refusal(errors);
    const price = cost.of(values);
    if (price > this.parts.maxCost) return this.#refusal([tooExpensive(price, this.parts.maxCost)]);
    const executed = await this.#inTime(() => prepared.execute(context, values));
    if (!executed) return { ...this.#refusal([tookTooLong(this.parts.deadline)]), status: 504 };
    if (!executed.errors) return { status: 200, result: executed };
    return this.#failed(executed);
  }

  /** The answer's own errors are 200, as GraphQL over HTTP has it; unless nothing could be done at all. */
  #failed({ data, errors = [] }: Executed): OperationAnswer {
    const formatted = this.#formatted(errors);
    const result = { errors: formatted, data };
    if (!formatted.some(({ extensions }) => extensions?.code === CODES.unavailable)) {
      return { status: 200, result };
    }
    return { status: 503, retryAfter: this.parts.retryAfterSeconds(), result };
  }

  #refusal(errors: readonly GraphQLError[]): OperationAnswer {
    return { status: 400, result: { errors: this.#formatted(errors) } };
  }

  #formatted(errors: readonly GraphQLError[]): GraphQLFormattedError[] {
    return errors.map((error) => this.parts.formatError(asFormatted(error), error));
  }

  /** Undefined at the deadline: what runs in the database then is cancelled there. */
  #inTime(execute: () => Executed | Promise<Executed>): Executed | Promise<Executed | undefined> {
    const { deadline } = this.parts;
    const session = databaseSession.getStore();
    if (deadline === 0 || !session) return execute();
    const executing = execute();
    if (!(executing instanceof Promise)) return executing;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        session.cancel(tookTooLong(deadline));
        resolve(undefined);
      }, deadline);
      executing.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}

function tookTooLong(deadline: number): GraphQLError {
  return new GraphQLError(
    `it took longer than ${deadline / 1_000} s and was ended; ask for less, or in parts`,
    { extensions: { code: CODES.deadline } },
  );
}

/** As Apollo hands errors to `formatError`. */
function asFormatted(error: GraphQLError): GraphQLFormattedError {
  const { message, locations, path, extensions } = error;
  return {
    message,
    ...(locations && { locations }),
    ...(path && { path }),
    extensions: { ...extensions, code: extensions.code ?? CODES.internal },
  };
}
