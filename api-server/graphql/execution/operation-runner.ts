/** Runs prepared operations: checks the cost, applies the deadline, records metrics and masks errors. */
import type { GraphQLError, GraphQLFormattedError } from 'graphql';
import { type DatabaseSession, databaseSession } from '../../database/pool/session.js';
import { CODES } from '../../errors.js';
import type { OperationMetrics } from '../../observability/metrics/operation-metrics.js';
import { nameOperation } from '../../observability/tracing/operation-spans.js';
import { tooExpensive } from '../admission/operation-cost.js';
import type { ResponseCache } from '../cache/response-cache.js';
import type { ErrorMask } from '../format-error.js';
import { type CountUsage, usageClientIn } from '../usage/count-usage.js';
import { inTime, tookTooLong } from './deadline.js';
import type { Executed } from './executor.js';
import type { KnownOperation } from './known-documents.js';
import type { PreparedOperation } from './prepared-operation.js';

export interface RunnerParts {
  maxCost: number;
  /** Milliseconds; 0 disables the deadline. */
  deadline: number;
  mask: ErrorMask;
  metrics: Pick<OperationMetrics, 'graphqlOperation'>;
  cache?: { answers: ResponseCache; maxSeconds: number };
  /** Records the use of the schema; undefined when it is not recorded. */
  countUsage?: CountUsage;
  /** Value of Retry-After. */
  retryAfterSeconds(): number;
}

export interface OperationAnswer {
  status: number;
  retryAfter?: number;
  /** The serialized result, if it comes from the cache or was serialized for it. */
  text?: string;
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

  /** Counts a rejected operation. */
  refused(type: string | undefined, startedAt = performance.now()): void {
    const labels = { operation: 'invalid', type: type ?? 'unknown', outcome: 'error' };
    this.parts.metrics.graphqlOperation(labels, (performance.now() - startedAt) / 1_000);
  }

  #answer(
    operation: KnownOperation,
    context: unknown,
    given: Variables | null | undefined,
  ): OperationAnswer | Promise<OperationAnswer> {
    const { prepared, cost, cacheSeconds } = operation;
    const { values, errors } = prepared.variables(given);
    if (errors) return this.#refusal(errors);
    const price = cost.of(values);
    if (price > this.parts.maxCost) return this.#refusal([tooExpensive(price, this.parts.maxCost)]);
    this.parts.countUsage?.(operation, usageClientIn(context), given);
    const { cache } = this.parts;
    const session = cache && databaseSession.getStore();
    if (session && prepared.definition.operation === 'mutation') {
      return this.#forgetting(session, () => this.#execute(prepared, context, values));
    }
    // A client that has just written bypasses the cache, whose entries may be older than its write.
    const mayBeKept = session && cacheSeconds > 0 && !session.wrote && session.lsn === undefined;
    if (mayBeKept) return this.#kept(operation, session, context, values);
    return this.#execute(prepared, context, values);
  }

  async #execute(prepared: PreparedOperation, context: unknown, values: Variables): Promise<OperationAnswer> {
    const execute = () => prepared.execute(context, values);
    const session = databaseSession.getStore();
    const executed = await (session ? inTime(this.parts.deadline, session, execute) : execute());
    if (!executed) return { ...this.#refusal([tookTooLong(this.parts.deadline)]), status: 504 };
    if (!executed.errors) return { status: 200, result: executed };
    return this.#failed(executed);
  }

  async #forgetting(
    session: DatabaseSession,
    execute: () => Promise<OperationAnswer>,
  ): Promise<OperationAnswer> {
    const { writes } = session.trackTables();
    const answer = await execute();
    await this.parts.cache?.answers.forget(writes);
    return answer;
  }

  async #kept(
    operation: KnownOperation,
    session: DatabaseSession,
    context: unknown,
    values: Variables,
  ): Promise<OperationAnswer> {
    const { prepared, documentHash, cacheSeconds } = operation;
    const { answers, maxSeconds } = this.parts.cache as NonNullable<RunnerParts['cache']>;
    const key = { documentHash, operationName: prepared.name, variables: values, scope: scopeOf(context) };
    const place = operation.tables && (await answers.look(key, operation.tables));
    if (place?.found) return { status: 200, text: place.found, result: {} };
    session.needsPrimary = true;
    const { reads } = session.trackTables();
    const answer = await this.#execute(prepared, context, values);
    operation.tables = [...new Set([...(operation.tables ?? []), ...reads])].sort();
    if (answer.status !== 200 || answer.result.errors) return answer;
    const text = JSON.stringify(answer.result);
    place?.keep(text, reads, Math.min(cacheSeconds, maxSeconds));
    return { ...answer, text };
  }

  /**
   * Errors of fields have status 200, as specified by GraphQL over HTTP, unless the operation
   * failed as a whole.
   */
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
    return errors.map(this.parts.mask);
  }
}

/** The cache scope of the identity. Without identities, all clients share one scope. */
function scopeOf(context: unknown): string {
  const { identity } = context as { identity?: { cacheScope: string } };
  return identity?.cacheScope ?? 'everybody';
}
