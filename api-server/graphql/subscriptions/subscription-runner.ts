/**
 * Runs subscriptions under the same limits as queries. Each event is an operation with its own
 * session, deadline and span.
 */
import { randomUUID } from 'node:crypto';
import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLSchema,
} from 'graphql';
import { inSpan } from '../../../contract/tracing/tracing.js';
import { DatabaseSession, databaseSession } from '../../database/pool/session.js';
import { badUserInput } from '../../errors.js';
import { requestContext } from '../../observability/logging/request-context.js';
import type { OperationMetrics } from '../../observability/metrics/operation-metrics.js';
import { nameOperation } from '../../observability/tracing/operation-spans.js';
import type { Admission } from '../admission/admission.js';
import { tooExpensive } from '../admission/operation-cost.js';
import { inTime, tookTooLong } from '../execution/deadline.js';
import type { KnownDocument, KnownDocuments, KnownOperation } from '../execution/known-documents.js';
import type { PreparedOperation } from '../execution/prepared-operation.js';
import type { ErrorMask } from '../format-error.js';
import { askedIn, type Fields } from '../graphql-request.js';
import { type CountUsage, usageClientIn } from '../usage/count-usage.js';

export interface SubscriptionRunnerParts {
  schema: GraphQLSchema;
  admission: Admission;
  documents: KnownDocuments;
  /** Maximum cost of one event. */
  maxCost: number;
  /** Milliseconds; 0 disables the deadline. */
  deadline: number;
  mask: ErrorMask;
  metrics: Pick<OperationMetrics, 'graphqlOperation'>;
  /** Records the use of the schema; undefined when it is not recorded. */
  countUsage?: CountUsage;
}

type Events = AsyncIterator<unknown, void> & AsyncIterable<unknown>;
type Results = AsyncIterableIterator<ExecutionResult> & {
  return(): Promise<IteratorResult<ExecutionResult>>;
  throw(error: unknown): Promise<IteratorResult<ExecutionResult>>;
};

/** A subscription that was admitted. graphql-ws passes it on as it is. */
export interface AdmittedSubscription extends ExecutionArgs {
  operation: PreparedOperation;
  known: KnownOperation;
  /** The coerced variables. */
  values: Record<string, unknown>;
}

export class SubscriptionRunner {
  constructor(private readonly parts: SubscriptionRunnerParts) {}

  /** The execution arguments without the context. Throws when the subscription is rejected. */
  prepare(payload: Fields): AdmittedSubscription {
    try {
      return this.#prepared(payload);
    } catch (error) {
      this.#count('invalid', performance.now(), 'error');
      throw error;
    }
  }

  /** The results with masked errors, or one result when the subscription cannot start. */
  async subscribe(args: AdmittedSubscription): Promise<Results | ExecutionResult> {
    const startedAt = performance.now();
    const { name } = args.operation;
    this.parts.countUsage?.(args.known, usageClientIn(args.contextValue), args.variableValues);
    const begun = await this.#inside('subscribe', name, (session) =>
      inTime(this.parts.deadline, session, () =>
        createSourceEventStream(args).then(endingIfCancelled(session)),
      ),
    );
    if (begun instanceof Object && Symbol.asyncIterator in begun)
      return this.#results(args, name, begun as Events);
    this.#count(name, startedAt, 'error');
    return this.#masked(begun ?? { errors: [tookTooLong(this.parts.deadline)] });
  }

  #prepared(payload: Fields): AdmittedSubscription {
    const { schema, admission, documents, maxCost } = this.parts;
    const admitted = admission.admit(askedIn(payload));
    if ('errors' in admitted) throw admitted.errors[0];
    const { document: known, operationName, variables } = admitted;
    if (!known) throw badUserInput({ field: 'query', message: 'is missing or unknown' });
    const operation = subscriptionIn(documents, known, operationName);
    const { prepared, cost } = operation;
    const { values, errors } = prepared.variables(variables);
    if (errors) throw errors[0];
    prepared.checkRootFields(values);
    const price = cost.of(values);
    if (price > maxCost) throw tooExpensive(price, maxCost);
    const { document } = known;
    const more = { operation: prepared, known: operation, values };
    return { schema, document, operationName, variableValues: variables, ...more };
  }

  /** Not a generator: `return()` of a generator takes effect only after its pending `await`. */
  #results(args: AdmittedSubscription, name: string | undefined, events: Events): Results {
    const source = events[Symbol.asyncIterator]();
    const end = async () => {
      await source.return?.();
      return { done: true, value: undefined } as const;
    };
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: async () => {
        try {
          const { done, value } = await source.next();
          return done ? { done, value: undefined } : { value: await this.#event(args, name, value) };
        } catch (error) {
          this.#count(name, performance.now(), 'error'); // without the wait for the event, which can take hours
          throw error;
        }
      },
      return: end,
      throw: async (error) => {
        await end();
        throw error;
      },
    };
  }

  /** Never rejects. */
  #event(args: AdmittedSubscription, name: string | undefined, rootValue: unknown): Promise<ExecutionResult> {
    const startedAt = performance.now();
    const { deadline } = this.parts;
    const { operation, contextValue, values } = args;
    return this.#inside('subscription event', name, async (session) => {
      const executed = await inTime(deadline, session, () =>
        operation.execute(contextValue, values, rootValue),
      );
      const result = executed ?? { errors: [tookTooLong(deadline)] };
      this.#count(name, startedAt, result.errors ? 'error' : 'ok');
      return this.#masked(result);
    });
  }

  #inside<T>(
    span: string,
    name: string | undefined,
    work: (session: DatabaseSession) => T | Promise<T>,
  ): Promise<T> {
    const session = new DatabaseSession();
    session.needsPrimary = true; // a replica may lag behind the event
    const named = async () => {
      nameOperation('subscription', name);
      return work(session);
    };
    return requestContext.run({ requestId: randomUUID() }, () =>
      databaseSession.run(session, () => inSpan(span, {}, named)),
    );
  }

  #masked(result: ExecutionResult): ExecutionResult {
    if (!result.errors) return result;
    const errors = result.errors.map(this.parts.mask);
    return { ...result, errors: errors as never };
  }

  #count(operation: string | undefined, startedAt: number, outcome: string): void {
    const labels = { operation, type: 'subscription', outcome };
    this.parts.metrics.graphqlOperation(labels, (performance.now() - startedAt) / 1_000);
  }
}

/** Ends a source that starts after the deadline, because no caller would close it. */
function endingIfCancelled(session: DatabaseSession) {
  return async (begun: AsyncIterable<unknown> | ExecutionResult) => {
    if (session.isCancelled && Symbol.asyncIterator in begun) await begun[Symbol.asyncIterator]().return?.();
    return begun;
  };
}

function subscriptionIn(
  documents: KnownDocuments,
  known: KnownDocument,
  name: string | undefined,
): KnownOperation {
  const found = documents.operation(known, name);
  if (!found)
    throw badUserInput({
      field: 'operationName',
      message: 'is not the name of an operation in the document',
    });
  const { operation } = found.prepared.definition;
  if (operation === 'subscription') return found;
  throw badUserInput({
    field: 'query',
    message: `is a ${operation}, not a subscription; send it over HTTP`,
  });
}
