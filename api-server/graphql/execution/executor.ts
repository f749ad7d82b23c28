/**
 * Executes a plan. Data and errors equal those of graphql-js; test/unit/api-server/differential.test.ts
 * compares the two. It is faster because one counter replaces a promise per field, values are
 * written to their place in the response as they arrive, and arguments of sibling objects are
 * computed once.
 */
import {
  defaultTypeResolver,
  type GraphQLError,
  type GraphQLObjectType,
  type GraphQLResolveInfo,
  type GraphQLSchema,
} from 'graphql';
import { inspect } from 'graphql/jsutils/inspect.js';
import { isIterableObject } from 'graphql/jsutils/isIterableObject.js';
import { pathToArray } from 'graphql/jsutils/Path.js';
import { located, notIterable, notOfType, nullOfNonNull, unknownRuntimeType } from './field-errors.js';
import {
  type Container,
  ended,
  FAILED,
  Frame,
  frameOf,
  frameOfField,
  propagate,
  type Slot,
} from './frame.js';
import type {
  AbstractPlan,
  FieldPlan,
  LeafPlan,
  ListPlan,
  ObjectPlan,
  SelectionPlan,
  TypePlan,
} from './plan.js';

export interface Executed {
  data: Record<string, unknown> | null;
  errors?: GraphQLError[];
}

type Variables = Record<string, unknown>;

const NO_INFO = Object.freeze({}) as GraphQLResolveInfo;

export interface ExecutionParts {
  schema: GraphQLSchema;
  root: SelectionPlan;
  serially: boolean;
  context: unknown;
  variables: Variables;
  /** Source of the root fields: the event of a subscription. */
  rootValue?: unknown;
}

/** Never throws or rejects. */
export function executePlan(parts: ExecutionParts): Executed | Promise<Executed> {
  return new Execution(parts).run();
}

class Execution {
  readonly #errors: GraphQLError[] = [];
  readonly #root = new Frame(undefined, '', undefined, undefined, undefined, false);
  readonly #arguments = new Map<FieldPlan, Record<string, unknown>>();
  #pending = 0;
  #whenIdle: (() => void) | undefined;

  constructor(private readonly parts: ExecutionParts) {}

  run(): Executed | Promise<Executed> {
    const data: Container = {};
    const { root, serially, rootValue } = this.parts;
    let fields: readonly FieldPlan[];
    try {
      fields = root.fields;
    } catch (error) {
      return { data: null, errors: [error as GraphQLError] };
    }
    if (serially) return this.#runSerially(fields, data).then(() => this.#executed(data));
    if (this.#fields(fields, rootValue, this.#root, data) === FAILED) this.#root.nulled = true;
    if (this.#pending === 0) return this.#executed(data);
    return this.#idle().then(() => this.#executed(data));
  }

  /** Executes the root fields of a mutation one after the other, each with its subfields. */
  async #runSerially(fields: readonly FieldPlan[], data: Container): Promise<void> {
    for (const field of fields) {
      const done = this.#field(field, this.parts.rootValue, this.#root, data);
      if (this.#pending > 0) await this.#idle();
      if (done === FAILED) this.#root.nulled = true;
      if (this.#root.nulled) return;
    }
  }

  #executed(data: Container): Executed {
    const result = { data: this.#root.nulled ? null : data };
    return this.#errors.length > 0 ? { ...result, errors: this.#errors } : result;
  }

  #idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenIdle = resolve;
    });
  }

  #fields(
    fields: readonly FieldPlan[],
    source: unknown,
    frame: Frame,
    into: Container,
  ): Container | typeof FAILED {
    for (const field of fields) {
      if (this.#field(field, source, frame, into) === FAILED) return FAILED;
    }
    return into;
  }

  /** Writes the value of the field, immediately or when it is resolved. */
  #field(field: FieldPlan, source: unknown, frame: Frame, into: Container): typeof FAILED | undefined {
    const { responseName: key, type } = field;
    if (field.isTypename) {
      into[key] = field.parentType.name;
      return;
    }
    let completed: unknown;
    try {
      const value = field.resolve
        ? field.resolve(source, this.#argumentsOf(field), this.parts.context, this.#info(field, frame))
        : this.#property(field, source, frame);
      if (type.kind === 'leaf' && !isPromise(value)) {
        completed = this.#leaf(field, type, value);
      } else {
        const slot = { frame, container: into, key, typename: field.parentType.name };
        completed = isPromise(value)
          ? this.#later(field, type, slot, value, (settled) => this.#complete(field, type, slot, settled))
          : this.#complete(field, type, slot, value);
      }
    } catch (error) {
      completed = this.#failed(field, type, frame, key, field.parentType.name, error);
    }
    if (completed === FAILED) return FAILED;
    into[key] = completed;
    return;
  }

  /** Like graphql-js' defaultFieldResolver. Invalid arguments are an error even if they are not used. */
  #property(field: FieldPlan, source: unknown, frame: Frame): unknown {
    if (!field.hasFixedArguments) this.#argumentsOf(field);
    if ((typeof source !== 'object' || source === null) && typeof source !== 'function') return undefined;
    const value = (source as Container)[field.name];
    if (typeof value !== 'function') return value;
    return (source as Record<string, (...args: unknown[]) => unknown>)[field.name]?.(
      this.#argumentsOf(field),
      this.parts.context,
      this.#info(field, frame),
    );
  }

  #argumentsOf(field: FieldPlan): Record<string, unknown> {
    if (field.hasFixedArguments) return field.arguments(this.parts.variables);
    const known = this.#arguments.get(field) ?? field.arguments(this.parts.variables);
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
      rootValue: this.parts.rootValue,
      operation,
      variableValues: this.parts.variables,
    };
  }

  /** Returns undefined; the value is written when it is resolved. */
  #later(
    field: FieldPlan,
    type: TypePlan,
    slot: Slot,
    promise: PromiseLike<unknown>,
    complete: (value: unknown) => unknown,
  ): undefined {
    this.#pending += 1;
    const end = (completed: unknown) => {
      if (completed === FAILED) propagate(slot.frame);
      else slot.container[slot.key] = completed;
      this.#pending -= 1;
      if (this.#pending === 0) this.#whenIdle?.();
    };
    const fail = (error: unknown) =>
      end(this.#failed(field, type, slot.frame, slot.key, slot.typename, error));
    Promise.resolve(promise).then((value) => {
      let completed: unknown;
      try {
        completed = slot.frame.isGone ? undefined : complete(value);
      } catch (error) {
        return fail(error);
      }
      end(completed);
    }, fail);
  }

  /**
   * The value in the response, null, or FAILED for a null value of a non-nullable type. Throws the
   * error of the field.
   */
  #complete(field: FieldPlan, type: TypePlan, slot: Slot, value: unknown): unknown {
    if (value instanceof Error) throw value;
    if (value === null || value === undefined) {
      if (type.nonNull) throw nullOfNonNull(field);
      return null;
    }
    switch (type.kind) {
      case 'leaf':
        return this.#leaf(field, type, value);
      case 'object':
        return this.#object(field, type, slot, value);
      case 'list':
        return this.#list(field, type, slot, value);
      case 'abstract':
        return this.#abstract(field, type, slot, value);
    }
  }

  #leaf(field: FieldPlan, type: LeafPlan, value: unknown): unknown {
    if (value !== null && value !== undefined && !(value instanceof Error)) return serialized(type, value);
    if (value instanceof Error) throw value;
    if (!type.nonNull) return null;
    throw nullOfNonNull(field);
  }

  #object(field: FieldPlan, { type, selection, nonNull }: ObjectPlan, slot: Slot, value: unknown): unknown {
    return this.#objectOf(field, nonNull, type, selection, slot, value);
  }

  #objectOf(
    field: FieldPlan,
    nonNull: boolean,
    type: GraphQLObjectType,
    selection: SelectionPlan,
    slot: Slot,
    value: unknown,
  ): unknown {
    const { fields } = selection; // first, because graphql-js reports errors of its directives first
    if (type.isTypeOf) {
      // Most functions need only the value. Creating `info` for each object of a list would be
      // expensive.
      const info = type.isTypeOf.length < 3 ? NO_INFO : this.#info(field, frameOfField(slot));
      const is = type.isTypeOf(value, this.parts.context, info);
      if (isPromise(is)) {
        const plan = { kind: 'object', type, selection, nonNull } as const;
        return this.#later(field, plan, slot, is, (settled) => {
          if (!settled) throw notOfType(field, type, value);
          return this.#selected(fields, nonNull, slot, value);
        });
      }
      if (!is) throw notOfType(field, type, value);
    }
    return this.#selected(fields, nonNull, slot, value);
  }

  #selected(fields: readonly FieldPlan[], nonNull: boolean, slot: Slot, value: unknown): unknown {
    const frame = frameOf(slot, nonNull);
    return ended(frame, this.#fields(fields, value, frame, {}));
  }

  #list(field: FieldPlan, { item, nonNull }: ListPlan, slot: Slot, value: unknown): unknown {
    if (!isIterableObject(value)) {
      throw notIterable(field);
    }
    const frame = frameOf(slot, nonNull);
    const items: unknown[] = [];
    let index = 0;
    try {
      for (const one of value) {
        const completed = this.#item(field, item, frame, items as never, index, one);
        if (completed === FAILED) return ended(frame, FAILED);
        items[index] = completed;
        index += 1;
      }
    } catch (error) {
      frame.nulled = true; // the iterator failed: results of its pending items are ignored
      throw error;
    }
    return items;
  }

  #item(
    field: FieldPlan,
    type: TypePlan,
    frame: Frame,
    container: Container,
    key: number,
    value: unknown,
  ): unknown {
    const slot = { frame, container, key, typename: undefined };
    try {
      return isPromise(value)
        ? this.#later(field, type, slot, value, (settled) => this.#complete(field, type, slot, settled))
        : this.#complete(field, type, slot, value);
    } catch (error) {
      return this.#failed(field, type, frame, key, undefined, error);
    }
  }

  #abstract(field: FieldPlan, plan: AbstractPlan, slot: Slot, value: unknown): unknown {
    const { type, selections, nonNull } = plan;
    const resolveType = type.resolveType ?? defaultTypeResolver;
    const name = resolveType(value, this.parts.context, this.#info(field, frameOfField(slot)), type);
    const complete = (given: unknown) => {
      const found = this.#runtimeType(field, plan, given, value);
      return this.#objectOf(field, nonNull, found, selections.of(found), slot, value);
    };
    return isPromise(name) ? this.#later(field, plan, slot, name, complete) : complete(name);
  }

  #runtimeType(field: FieldPlan, { type }: AbstractPlan, name: unknown, value: unknown): GraphQLObjectType {
    const { schema } = this.parts;
    const found = typeof name === 'string' ? schema.getType(name) : undefined;
    const isOne = found && 'getFields' in found && schema.isSubType(type, found as GraphQLObjectType);
    if (isOne) return found as GraphQLObjectType;
    throw unknownRuntimeType(field, type, name, value);
  }

  /** Records the error, unless an enclosing value is already null. */
  #failed(
    field: FieldPlan,
    type: TypePlan,
    frame: Frame,
    key: string | number,
    typename: string | undefined,
    error: unknown,
  ): null | typeof FAILED {
    if (!frame.isGone) {
      const path = pathToArray({ prev: frame.path, key, typename });
      this.#errors.push(located(error, field, path));
    }
    return type.nonNull ? FAILED : null;
  }
}

function serialized({ serialize, type }: LeafPlan, value: unknown): unknown {
  const done = serialize(value);
  if (done !== null && done !== undefined) return done;
  throw new Error(
    `Expected \`${inspect(type)}.serialize(${inspect(value)})\` to return non-nullable value, returned: ${inspect(done)}`,
  );
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
  return isObject && typeof (value as { then?: unknown }).then === 'function';
}
