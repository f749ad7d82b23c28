/**
 * Runs subscriptions under the same limits as queries. Each event is an operation with its own
 * session, deadline and span.
 */
import { randomUUID } from 'node:crypto';
import {
  createSourceEventStream,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  getVariableValues,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  specifiedRules,
  validate,
} from 'graphql';
import { DatabaseSession, databaseSession } from '../../database/pool/session.js';
import { badUserInput, CODES } from '../../errors.js';
import { requestContext } from '../../observability/logging/request-context.js';
import type { OperationMetrics } from '../../observability/metrics/operation-metrics.js';
import { nameOperation } from '../../observability/tracing/operation-spans.js';
import { inSpan } from '../../observability/tracing/tracing.js';
import type { Admission } from '../admission/admission.js';
import { tooExpensive } from '../admission/operation-cost.js';
import { inTime, tookTooLong } from '../execution/deadline.js';
import { costOf, type KnownDocuments } from '../execution/known-documents.js';
import type { ErrorMask } from '../format-error.js';
import { askedIn, type Fields } from '../graphql-request.js';

export interface SubscriptionRunnerParts {
  schema: GraphQLSchema;
  introspection: boolean;
  admission: Admission;
  documents: KnownDocuments;
  /** Maximum cost of one event. */
  maxCost: number;
  /** Milliseconds; 0 disables the deadline. */
  deadline: number;
  mask: ErrorMask;
  metrics: Pick<OperationMetrics, 'graphqlOperation'>;
}

type Events = AsyncIterator<unknown, void> & AsyncIterable<unknown>;
type Results = AsyncIterableIterator<ExecutionResult> & {
  return(): Promise<IteratorResult<ExecutionResult>>;
  throw(error: unknown): Promise<IteratorResult<ExecutionResult>>;
};

const MAX_VARIABLE_ERRORS = 10;

export class SubscriptionRunner {
  constructor(private readonly parts: SubscriptionRunnerParts) {}

  /** The execution arguments without the context. Throws when the subscription is rejected. */
  prepare(payload: Fields): ExecutionArgs {
    try {
      return this.#prepared(payload);
    } catch (error) {
      this.#count('invalid', performance.now(), 'error');
      throw error;
    }
  }

  /** The results with masked errors, or one result when the subscription cannot start. */
  async subscribe(args: ExecutionArgs): Promise<Results | ExecutionResult> {
    const startedAt = performance.now();
    const name = getOperationAST(args.document, args.operationName)?.name?.value;
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

  #prepared(payload: Fields): ExecutionArgs {
    const { schema, introspection, admission, maxCost } = this.parts;
    const admitted = admission.admit(askedIn(payload));
    if (admitted instanceof GraphQLError) throw admitted;
    const { query, operationName, variables = {} } = admitted;
    if (query === undefined) throw badUserInput({ field: 'query', message: 'is missing or unknown' });
    const document = this.#document(query);
    const definition = subscriptionIn(document, operationName);
    const { errors, coerced } = getVariableValues(schema, definition.variableDefinitions ?? [], variables, {
      maxErrors: MAX_VARIABLE_ERRORS,
      hideSuggestions: !introspection,
    });
    if (errors?.[0]) throw withCode(errors[0], CODES.badUserInput);
    const cost = costOf(schema, document, definition).of(coerced ?? {});
    if (cost > maxCost) throw tooExpensive(cost, maxCost);
    return { schema, document, operationName, variableValues: variables };
  }

  /** Parsed and validated once, shared with documents over HTTP. */
  #document(query: string): DocumentNode {
    const { schema, introspection, admission, documents } = this.parts;
    const known = documents.bySource(query);
    if (known) return known.document;
    const document = admission.parsed(query);
    if (document instanceof GraphQLError) throw document;
    const rules = introspection ? specifiedRules : [...specifiedRules, NoSchemaIntrospectionCustomRule];
    const [problem] = validate(schema, document, rules, { maxErrors: 1, hideSuggestions: !introspection });
    if (problem) throw withCode(problem, CODES.invalid);
    return documents.add(query, document).document;
  }

  /** Not a generator: `return()` of a generator takes effect only after its pending `await`. */
  #results(args: ExecutionArgs, name: string | undefined, events: Events): Results {
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
  #event(args: ExecutionArgs, name: string | undefined, rootValue: unknown): Promise<ExecutionResult> {
    const startedAt = performance.now();
    const { deadline } = this.parts;
    return this.#inside('subscription event', name, async (session) => {
      const executed = await inTime(deadline, session, () => execute({ ...args, rootValue }));
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

function subscriptionIn(document: DocumentNode, name: string | undefined): OperationDefinitionNode {
  const found = getOperationAST(document, name);
  if (!found)
    throw badUserInput({
      field: 'operationName',
      message: 'is not the name of an operation in the document',
    });
  if (found.operation === 'subscription') return found;
  throw badUserInput({
    field: 'query',
    message: `is a ${found.operation}, not a subscription; send it over HTTP`,
  });
}

function withCode({ message, nodes, originalError }: GraphQLError, code: string): GraphQLError {
  return new GraphQLError(message, { nodes, originalError, extensions: { code } });
}
