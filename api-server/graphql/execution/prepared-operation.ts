/** One operation of a document, prepared for repeated execution. */
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  visit,
} from 'graphql';
import { CODES } from '../../errors.js';
import { type Executed, executePlan } from './executor.js';
import { type PlanSource, SelectionPlan } from './plan.js';

type Variables = Record<string, unknown>;

/** The values, or the errors in them. */
export type CheckedVariables =
  | { values: Variables; errors?: undefined }
  | { values?: undefined; errors: readonly GraphQLError[] };

/** Maximum number of cached plans per operation, one per set of values of @skip and @include. */
const MAX_PLANS = 16;
const MAX_VARIABLE_ERRORS = 10;

export class PreparedOperation {
  readonly #plans = new Map<string, SelectionPlan>();
  readonly #fragments: Record<string, FragmentDefinitionNode>;
  readonly #conditions: readonly string[];

  private constructor(
    private readonly schema: GraphQLSchema,
    readonly document: DocumentNode,
    readonly definition: OperationDefinitionNode,
    private readonly hideSuggestions: boolean,
  ) {
    const fragments = document.definitions.filter((one) => one.kind === Kind.FRAGMENT_DEFINITION);
    this.#fragments = Object.fromEntries(fragments.map((fragment) => [fragment.name.value, fragment]));
    this.#conditions = conditionVariables(document);
  }

  /** The document must be valid. Returns undefined for operations that graphql-js executes. */
  static of(
    schema: GraphQLSchema,
    document: DocumentNode,
    operationName: string | null | undefined,
    { hideSuggestions = true } = {},
  ): PreparedOperation | undefined {
    const definition = getOperationAST(document, operationName);
    if (!definition || definition.operation === 'subscription' || hasProto(document)) return undefined;
    return new PreparedOperation(schema, document, definition, hideSuggestions);
  }

  get name(): string | undefined {
    return this.definition.name?.value;
  }

  /** Validates and coerces the variables. */
  variables(given: Variables | null | undefined): CheckedVariables {
    const definitions = this.definition.variableDefinitions ?? [];
    if (definitions.length === 0) return NO_VARIABLES;
    const { errors, coerced } = getVariableValues(this.schema, definitions, given ?? {}, {
      maxErrors: MAX_VARIABLE_ERRORS,
      hideSuggestions: this.hideSuggestions,
    });
    return errors ? { errors: errors.map(asBadUserInput) } : { values: coerced };
  }

  /** `variables` must come from `variables()`. Never rejects. */
  execute(context: unknown, variables: Variables): Executed | Promise<Executed> {
    return executePlan({
      schema: this.schema,
      root: this.#planFor(variables),
      serially: this.definition.operation === 'mutation',
      context,
      variables,
    });
  }

  #planFor(variables: Variables): SelectionPlan {
    const key = this.#conditions.map((name) => (variables[name] === true ? '1' : '0')).join('');
    const known = this.#plans.get(key);
    if (known) return known;
    const plan = this.#plan(variables);
    if (this.#plans.size < MAX_PLANS) this.#plans.set(key, plan);
    return plan;
  }

  #plan(variables: Variables): SelectionPlan {
    const conditions = Object.fromEntries(this.#conditions.map((name) => [name, variables[name]]));
    const source: PlanSource = {
      schema: this.schema,
      fragments: this.#fragments,
      operation: this.definition,
      conditions,
    };
    const type = this.schema.getRootType(this.definition.operation);
    if (!type) throw new GraphQLError(`the schema has no ${this.definition.operation} type`);
    return new SelectionPlan(source, type, undefined);
  }
}

const NO_VARIABLES: CheckedVariables = { values: Object.freeze({}) };

function asBadUserInput(error: GraphQLError): GraphQLError {
  const { message, nodes, originalError, extensions } = error;
  return new GraphQLError(message, {
    nodes,
    originalError,
    extensions: { ...extensions, code: CODES.badUserInput },
  });
}

/** Variables that @skip and @include use. */
function conditionVariables(document: DocumentNode): string[] {
  const names = new Set<string>();
  visit(document, {
    Directive({ arguments: given = [] }) {
      for (const { value } of given) if (value.kind === Kind.VARIABLE) names.add(value.name.value);
    },
  });
  return [...names].sort();
}

/** As an object key, `__proto__` would set the prototype. */
function hasProto(document: DocumentNode): boolean {
  let found = false;
  visit(document, {
    Field({ alias }) {
      if (alias?.value === '__proto__') found = true;
    },
  });
  return found;
}
