/** One operation of a document, prepared for repeated execution. */
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLError,
  GraphQLIncludeDirective,
  type GraphQLObjectType,
  type GraphQLSchema,
  GraphQLSkipDirective,
  getOperationAST,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  visit,
} from 'graphql';
import { withBadUserInput } from './bad-user-input.js';
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
const CONDITIONS = [GraphQLSkipDirective.name, GraphQLIncludeDirective.name];

export class PreparedOperation {
  readonly #plans = new Map<string, SelectionPlan>();
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  readonly #conditions: readonly string[];

  private constructor(
    private readonly schema: GraphQLSchema,
    readonly document: DocumentNode,
    readonly definition: OperationDefinitionNode,
    private readonly rootType: GraphQLObjectType,
    private readonly hideSuggestions: boolean,
  ) {
    const fragments = document.definitions.filter((one) => one.kind === Kind.FRAGMENT_DEFINITION);
    this.fragments = Object.fromEntries(fragments.map((fragment) => [fragment.name.value, fragment]));
    this.#conditions = conditionVariables(document);
  }

  /** The document must be valid. Returns undefined for an operation that cannot be executed. */
  static of(
    schema: GraphQLSchema,
    document: DocumentNode,
    operationName: string | null | undefined,
    { hideSuggestions = true } = {},
  ): PreparedOperation | undefined {
    const definition = getOperationAST(document, operationName);
    const rootType = definition && schema.getRootType(definition.operation);
    if (!rootType || hasProto(document)) return undefined;
    return new PreparedOperation(schema, document, definition, rootType, hideSuggestions);
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
    return errors ? { errors: errors.map(withBadUserInput) } : { values: coerced };
  }

  /**
   * `variables` must come from `variables()`. `rootValue` is the event of a subscription. Never
   * throws or rejects.
   */
  execute(context: unknown, variables: Variables, rootValue?: unknown): Executed | Promise<Executed> {
    return executePlan({
      schema: this.schema,
      root: this.#planFor(variables),
      serially: this.definition.operation === 'mutation',
      context,
      variables,
      rootValue,
    });
  }

  /** Throws BAD_USER_INPUT when a root field has an invalid condition or argument. */
  checkRootFields(variables: Variables): void {
    for (const field of this.#planFor(variables).fields) field.arguments(variables);
  }

  #planFor(variables: Variables): SelectionPlan {
    const conditions = this.#conditions.filter((name) => Object.hasOwn(variables, name));
    const key = conditions.map((name) => `${name}:${variables[name]}`).join();
    const known = this.#plans.get(key);
    if (known) return known;
    const plan = this.#plan(Object.fromEntries(conditions.map((name) => [name, variables[name]])));
    // A null condition is an error of the client, so its plan must not take the place of another one.
    const isValid = conditions.every((name) => typeof variables[name] === 'boolean');
    if (isValid && this.#plans.size < MAX_PLANS) this.#plans.set(key, plan);
    return plan;
  }

  #plan(conditions: Variables): SelectionPlan {
    const { schema, fragments, definition: operation, rootType } = this;
    const source: PlanSource = { schema, fragments, operation, conditions };
    return new SelectionPlan(source, rootType, undefined);
  }
}

const NO_VARIABLES: CheckedVariables = { values: Object.freeze({}) };

/** Variables that @skip and @include use. */
function conditionVariables(document: DocumentNode): string[] {
  const names = new Set<string>();
  visit(document, {
    Directive({ name, arguments: given = [] }) {
      if (!CONDITIONS.includes(name.value)) return;
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
