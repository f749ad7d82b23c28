/**
 * Executes a plan. Data and errors equal those of graphql-js; test/unit/api-server/differential.test.ts
 * compares the two. It is faster because one counter replaces a promise per field, values are
 * written to their place in the response as they arrive, and arguments of sibling objects are
 * computed once.
 */
import type { GraphQLError, GraphQLObjectType, GraphQLSchema } from 'graphql';
import { isIterableObject } from 'graphql/jsutils/isIterableObject.js';
import { pathToArray } from 'graphql/jsutils/Path.js';
import { located, notIterable, notOfType, nullOfNonNull, unknownRuntimeType } from './field-errors.js';
import { type Container, ended, FAILED, Frame, frameOf, propagate, type Slot } from './frame.js';
import type {
  AbstractPlan,
  FieldPlan,
  LeafPlan,
  ListPlan,
  ObjectPlan,
  SelectionPlan,
  TypePlan,
} from './plan.js';
import { type OperationInput, SchemaFunctions } from './schema-functions.js';

export interface Executed {
  data: Record<string, unknown> | null;
  errors?: GraphQLError[];
}

export interface ExecutionParts extends OperationInput {
  schema: GraphQLSchema;
  root: SelectionPlan;
  serially: boolean;
}

/** Never throws or rejects. */
export function executePlan(parts: ExecutionParts): Executed | Promise<Executed> {
  return new Execution(parts).run();
}

class Execution {
  readonly #errors: GraphQLError[] = [];
  readonly #root = new Frame(undefined, '', undefined, undefined, undefined, false);
  readonly #functions: SchemaFunctions;
  #pending = 0;
  #whenIdle: (() => void) | undefined;

  constructor(private readonly parts: ExecutionParts) {
    this.#functions = new SchemaFunctions(parts);
  }

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
      const value = this.#functions.resolve(field, source, frame);
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
    if (value !== null && value !== undefined && !(value instanceof Error)) return type.serialize(value);
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
      const is = this.#functions.isTypeOf(type.isTypeOf, field, slot, value);
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
    const name = this.#functions.resolveType(type, field, slot, value);
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

function isPromise(value: unknown): value is PromiseLike<unknown> {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
  return isObject && typeof (value as { then?: unknown }).then === 'function';
}
