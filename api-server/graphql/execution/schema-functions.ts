/** Calls of the functions of a schema: resolvers, `isTypeOf` and `resolveType`, with their arguments and `info`. */
import {
  defaultTypeResolver,
  type GraphQLAbstractType,
  type GraphQLIsTypeOfFn,
  type GraphQLResolveInfo,
} from 'graphql';
import { type Container, type Frame, frameOfField, type Slot } from './frame.js';
import type { FieldPlan } from './plan.js';

type Arguments = Record<string, unknown>;

/** What an execution passes to each function. */
export interface OperationInput {
  context: unknown;
  variables: Record<string, unknown>;
  /** Source of the root fields: the event of a subscription. */
  rootValue?: unknown;
}

const NO_INFO = Object.freeze({}) as GraphQLResolveInfo;

/** For one execution: the arguments of a field are computed once for all objects. */
export class SchemaFunctions {
  readonly #arguments = new Map<FieldPlan, Arguments>();

  constructor(private readonly input: OperationInput) {}

  /** The value of the field or its promise. Throws the error of the resolver or of invalid arguments. */
  resolve(field: FieldPlan, source: unknown, frame: Frame): unknown {
    return field.resolve
      ? field.resolve(source, this.#argumentsOf(field), this.input.context, this.#info(field, frame))
      : this.#property(field, source, frame);
  }

  isTypeOf(
    isTypeOf: GraphQLIsTypeOfFn<unknown, unknown>,
    field: FieldPlan,
    slot: Slot,
    value: unknown,
  ): boolean | PromiseLike<boolean> {
    // Most functions need only the value. Creating `info` for each object of a list would be
    // expensive.
    const info = isTypeOf.length < 3 ? NO_INFO : this.#info(field, frameOfField(slot));
    return isTypeOf(value, this.input.context, info);
  }

  /** Returns what the function of the schema returns, unchecked: the name of the object type, or its promise. */
  resolveType(type: GraphQLAbstractType, field: FieldPlan, slot: Slot, value: unknown): unknown {
    const resolveType = type.resolveType ?? defaultTypeResolver;
    return resolveType(value, this.input.context, this.#info(field, frameOfField(slot)), type);
  }

  /** Like graphql-js' defaultFieldResolver. Invalid arguments are an error even if they are not used. */
  #property(field: FieldPlan, source: unknown, frame: Frame): unknown {
    if (!field.hasFixedArguments) this.#argumentsOf(field);
    if ((typeof source !== 'object' || source === null) && typeof source !== 'function') return undefined;
    const value = (source as Container)[field.name];
    if (typeof value !== 'function') return value;
    return (source as Record<string, (...args: unknown[]) => unknown>)[field.name]?.(
      this.#argumentsOf(field),
      this.input.context,
      this.#info(field, frame),
    );
  }

  #argumentsOf(field: FieldPlan): Arguments {
    if (field.hasFixedArguments) return field.arguments(this.input.variables);
    const known = this.#arguments.get(field) ?? field.arguments(this.input.variables);
    this.#arguments.set(field, known);
    return known;
  }

  #info(field: FieldPlan, frame: Frame): GraphQLResolveInfo {
    const { schema, fragments, operation } = field.source;
    return {
      fieldName: field.name,
      fieldNodes: field.nodes,
      returnType: field.definition.type,
      parentType: field.parentType,
      path: { prev: frame.path, key: field.responseName, typename: field.parentType.name },
      schema,
      fragments,
      rootValue: this.input.rootValue,
      operation,
      variableValues: this.input.variables,
    };
  }
}
