/** Generates an operation with all features of GraphQL documents. The same seed produces the same document. */
import {
  GraphQLBoolean,
  type GraphQLCompositeType,
  type GraphQLField,
  type GraphQLInputType,
  GraphQLNonNull,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isAbstractType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isUnionType,
} from 'graphql';
import { Random } from './random.js';

export interface RandomDocument {
  query: string;
  variables: Record<string, unknown>;
}

export interface RandomOptions {
  operation?: 'query' | 'mutation';
  depth?: number;
  /** Fields that the document does not select. */
  without?: readonly string[];
}

export function randomDocument(
  schema: GraphQLSchema,
  seed: number,
  options: RandomOptions = {},
): RandomDocument {
  return new Writer(schema, seed, options).document();
}

class Writer {
  readonly #declared: string[] = [];
  readonly #variables: Record<string, unknown> = {};
  readonly #fragments: { name: string; type: GraphQLCompositeType; text: string }[] = [];
  readonly #random: Random;

  constructor(
    private readonly schema: GraphQLSchema,
    seed: number,
    private readonly options: RandomOptions,
  ) {
    this.#random = new Random(seed);
  }

  document(): RandomDocument {
    const { operation = 'query', depth = 4 } = this.options;
    const root = operation === 'query' ? this.schema.getQueryType() : this.schema.getMutationType();
    const selection = this.#selection(root!, depth);
    const declared = this.#declared.length > 0 ? `(${this.#declared.join(', ')})` : '';
    const fragments = this.#fragments.map(({ text }) => text).join(' ');
    return { query: `${operation} Random${declared} ${selection} ${fragments}`, variables: this.#variables };
  }

  #selection(type: GraphQLCompositeType, depth: number): string {
    const parts = Array.from({ length: 1 + this.#random.below(4) }, () => this.#part(type, depth));
    return `{ ${parts.join(' ')} }`;
  }

  #part(type: GraphQLCompositeType, depth: number): string {
    const dice = this.#random.below(10);
    if (dice === 0) return `__typename${this.#directive()}`;
    if (dice === 1) return `...${this.#fragment(type, depth)}${this.#directive()}`;
    if (dice === 2 || isUnionType(type)) {
      const possible = isAbstractType(type) ? this.schema.getPossibleTypes(type) : [];
      const on = possible.length > 0 ? this.#random.one(possible) : type;
      const condition = isAbstractType(type) || this.#random.is(0.5) ? ` on ${on.name}` : '';
      return `...${condition}${this.#directive()} ${this.#selection(on, depth)}`;
    }
    const fields = Object.values(type.getFields()).filter(
      (field) =>
        !this.options.without?.includes(field.name) &&
        (depth > 0 || !isCompositeType(getNamedType(field.type))),
    );
    return fields.length > 0 ? this.#field(this.#random.one(fields), depth) : '__typename';
  }

  #field(field: GraphQLField<unknown, unknown>, depth: number): string {
    const given = field.args.filter((arg) => isRequiredArgument(arg) || this.#random.is(0.5));
    const args = given.map(({ name, type }) => `${name}: ${this.#value(type)}`).join(', ');
    const call = args ? `(${args})` : '';
    // Fields with the same name and arguments can be merged, so they can share an alias.
    const alias = this.#random.is(0.3) || args ? `${this.#aliasOf(field.name + args)}: ` : '';
    const inner = getNamedType(field.type);
    const selection = isCompositeType(inner) ? ` ${this.#selection(inner, depth - 1)}` : '';
    return `${alias}${field.name}${call}${this.#directive()}${selection}`;
  }

  #aliasOf(text: string): string {
    let hash = 7;
    for (const char of text) hash = (hash * 31 + char.charCodeAt(0)) >>> 0;
    return `a${hash.toString(36)}`;
  }

  #fragment(type: GraphQLCompositeType, depth: number): string {
    const known = this.#fragments.filter((one) => one.type === type);
    if (known.length > 0 && this.#random.is(0.5)) return this.#random.one(known).name;
    const text = this.#selection(type, Math.min(depth, 2));
    const name = `F${this.#fragments.length}`;
    this.#fragments.push({ name, type, text: `fragment ${name} on ${type.name} ${text}` });
    return name;
  }

  #directive(): string {
    if (!this.#random.is(0.2)) return '';
    const first = this.#condition(this.#random.one(['skip', 'include']));
    return first.includes('skip') && this.#random.is(0.2) ? first + this.#condition('include') : first;
  }

  #condition(name: string): string {
    const value = this.#random.is(0.3)
      ? this.#random.is(0.5)
      : this.#value(new GraphQLNonNull(GraphQLBoolean));
    return ` @${name}(if: ${value})`;
  }

  /**
   * A literal, or a variable that has a value, a default, or neither. A nullable variable with a default
   * can be null where null is not allowed.
   */
  #value(type: GraphQLInputType): string {
    if (!this.#random.is(0.5)) return this.#literal(type, this.#input(type, 2));
    const dice = this.#random.below(isNonNullType(type) ? 2 : 4);
    if (dice === 0 && !isNonNullType(type)) return this.#declare(`${type}`);
    if (dice === 1) {
      const nullable = getNullableType(type);
      const declared = `${nullable} = ${this.#literal(nullable, this.#nonNullInput(nullable, 1), true)}`;
      return this.#random.is(0.5)
        ? this.#declare(declared)
        : this.#variable(declared, this.#input(nullable, 2));
    }
    return this.#variable(`${type}`, this.#input(type, 2));
  }

  /** A literal. It can contain variables, unless it is the default of a variable. */
  #literal(type: GraphQLInputType, value: unknown, isDefault = false): string {
    if (isNonNullType(type)) return this.#literal(type.ofType, value, isDefault);
    if (value === null) return 'null';
    const inner = (of: GraphQLInputType, one: unknown) =>
      isDefault || this.#random.is(0.7) ? this.#literal(of, one, isDefault) : this.#value(of);
    if (isListType(type)) return `[${(value as unknown[]).map((one) => inner(type.ofType, one)).join(', ')}]`;
    if (isEnumType(type)) return String(value);
    if (!isInputObjectType(type)) return JSON.stringify(value);
    const fields = type.getFields();
    const parts = Object.entries(value as object).map(
      ([name, one]) => `${name}: ${inner(fields[name]!.type, one)}`,
    );
    return `{ ${parts.join(', ')} }`;
  }

  #variable(type: string, value: unknown): string {
    const name = this.#declare(type);
    this.#variables[name.slice(1)] = value;
    return name;
  }

  #declare(type: string): string {
    const name = `$v${this.#declared.length}`;
    this.#declared.push(`${name}: ${type}`);
    return name;
  }

  #input(type: GraphQLInputType, depth: number): unknown {
    if (isNonNullType(type)) return this.#nonNullInput(type.ofType, depth);
    return this.#random.is(0.15) ? null : this.#nonNullInput(type, depth);
  }

  #nonNullInput(type: GraphQLInputType, depth: number): unknown {
    if (isListType(type)) {
      return Array.from({ length: this.#random.below(3) }, () => this.#input(type.ofType, depth));
    }
    if (isEnumType(type)) return this.#random.one(type.getValues()).name;
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).filter(
        ({ type: of, defaultValue }) =>
          (isNonNullType(of) && defaultValue === undefined) || (depth > 0 && this.#random.is(0.5)),
      );
      return Object.fromEntries(fields.map(({ name, type: of }) => [name, this.#input(of, depth - 1)]));
    }
    switch (getNamedType(type).name) {
      case 'Int':
        return this.#random.below(100);
      case 'Float':
        return this.#random.below(100) / 4;
      case 'Boolean':
        return this.#random.is(0.5);
      case 'DateTimeISO':
        return new Date(this.#random.below(2_000_000_000) * 1_000).toISOString();
      default:
        return this.#random.one(['', 'word', '"quoted" \\ $v0', 'é\u{1F600}', '{"a":1}']);
    }
  }
}
