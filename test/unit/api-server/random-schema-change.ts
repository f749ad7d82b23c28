/** Changes a schema at random: one or two edits of its document, breaking or not. The same seed makes the same edits. */
import { isDeepStrictEqual } from 'node:util';
import {
  buildASTSchema,
  type DocumentNode,
  type FieldDefinitionNode,
  type GraphQLSchema,
  type InputValueDefinitionNode,
  Kind,
  parse,
  parseType,
  printSchema,
  type TypeDefinitionNode,
  type TypeNode,
  validateSchema,
  visit,
} from 'graphql';
import { Random } from './random.js';

/** Types that graphql-js' nodes declare as read-only. */
type Writable<T> = { -readonly [Key in keyof T]: T[Key] };
type Fielded = Writable<Extract<TypeDefinitionNode, { fields?: readonly FieldDefinitionNode[] }>>;
type Inputs = Writable<Extract<TypeDefinitionNode, { kind: Kind.INPUT_OBJECT_TYPE_DEFINITION }>>;
type Input = Writable<InputValueDefinitionNode>;
type Field = Writable<FieldDefinitionNode>;

const LEAVES = ['Int', 'Float', 'String', 'Boolean', 'ID', 'Kind', 'Picky'];

const documents = new WeakMap<GraphQLSchema, DocumentNode>();

/** Undefined if the edits result in an invalid schema, or in no change. */
export function changedSchema(schema: GraphQLSchema, seed: number): GraphQLSchema | undefined {
  const before = documents.get(schema) ?? parse(printSchema(schema), { noLocation: true });
  documents.set(schema, before);
  const random = new Random(seed);
  const editor = new Editor(structuredClone(before) as DocumentNode, random);
  for (let left = 1 + random.below(2); left > 0; left -= 1) editor.edit();
  if (isDeepStrictEqual(editor.document, before)) return undefined;
  try {
    const changed = buildASTSchema(editor.document);
    return validateSchema(changed).length === 0 ? changed : undefined;
  } catch {
    return undefined; // it refers to a type that was removed
  }
}

class Editor {
  constructor(
    public document: DocumentNode,
    private readonly random: Random,
  ) {}

  edit(): void {
    const { random } = this;
    random.one([
      () => this.#editField(),
      () => this.#editField(),
      () => this.#editArgument(),
      () => this.#editArgument(),
      () => this.#editInput(),
      () => this.#editEnum(),
      () => this.#editMembers(),
      () => this.#renameType(),
    ])();
  }

  #types<K extends Kind>(...kinds: K[]) {
    return this.document.definitions.filter(({ kind }) => (kinds as Kind[]).includes(kind)) as never[];
  }

  /** An edit of one field. Half of the edits concern the field of the same name of all types, as interfaces require. */
  #editField(): void {
    const { random } = this;
    const types: Fielded[] = this.#types(Kind.OBJECT_TYPE_DEFINITION, Kind.INTERFACE_TYPE_DEFINITION);
    const type = random.one(types);
    const { name } = random.one(type.fields ?? []);
    const edit = random.one(['remove', 'add', 'null', 'null', 'list', 'type', 'describe']);
    const target = random.one(LEAVES);
    const inner = random.is(0.3);
    const all = random.is(0.5) ? types : [type];
    for (const one of all.filter(({ fields = [] }) =>
      fields.some((field) => field.name.value === name.value),
    )) {
      if (edit === 'remove') one.fields = one.fields?.filter((field) => field.name.value !== name.value);
      for (const field of (one.fields ?? []) as Field[]) {
        if (field.name.value !== name.value) continue;
        if (edit === 'null') field.type = toggled(field.type, inner);
        if (edit === 'list') field.type = { kind: Kind.LIST_TYPE, type: field.type };
        if (edit === 'type') field.type = parseType(target);
        if (edit === 'describe') field.description = { kind: Kind.STRING, value: 'another description' };
      }
    }
    if (edit === 'add') {
      const added = { kind: Kind.FIELD_DEFINITION, name: named('added'), type: parseType(target) } as const;
      type.fields = [...(type.fields ?? []), added];
    }
  }

  #editArgument(): void {
    const { random } = this;
    const types: Fielded[] = this.#types(Kind.OBJECT_TYPE_DEFINITION, Kind.INTERFACE_TYPE_DEFINITION);
    const type = random.one(types);
    const { name } = random.one(type.fields ?? []);
    const seed = random.below(1_000_000);
    for (const { fields = [] } of types) {
      for (const field of fields as Field[]) {
        if (field.name.value !== name.value) continue;
        field.arguments = this.#editedInputs(field.arguments ?? [], new Random(seed));
      }
    }
  }

  #editInput(): void {
    const types: Inputs[] = this.#types(Kind.INPUT_OBJECT_TYPE_DEFINITION);
    const type = this.random.one(types);
    type.fields = this.#editedInputs(type.fields ?? [], this.random);
  }

  #editedInputs(inputs: readonly InputValueDefinitionNode[], random: Random): InputValueDefinitionNode[] {
    const added = (type: string) =>
      ({ kind: Kind.INPUT_VALUE_DEFINITION, name: named('added'), type: parseType(type) }) as const;
    if (inputs.length === 0 || random.is(0.2)) return [...inputs, added(random.is(0.7) ? 'Int' : 'Int!')];
    const index = random.below(inputs.length);
    if (random.is(0.2)) return inputs.filter((_input, position) => position !== index);
    const edited: Input = { ...inputs[index]! };
    const edit = random.one(['null', 'null', 'default', 'default', 'list', 'type']);
    if (edit === 'null') edited.type = toggled(edited.type, random.is(0.3));
    // Also for another type: a default value of the old one would make the schema invalid.
    else delete (edited as { defaultValue?: unknown }).defaultValue;
    if (edit === 'list') edited.type = { kind: Kind.LIST_TYPE, type: edited.type };
    if (edit === 'type') edited.type = parseType(random.one(LEAVES));
    return inputs.map((input, position) => (position === index ? edited : input));
  }

  #editEnum(): void {
    const { random } = this;
    const types: Writable<Extract<TypeDefinitionNode, { kind: Kind.ENUM_TYPE_DEFINITION }>>[] = this.#types(
      Kind.ENUM_TYPE_DEFINITION,
    );
    const type = random.one(types);
    const { values = [] } = type;
    const removed = random.below(values.length);
    type.values = random.is(0.5)
      ? [...values, { kind: Kind.ENUM_VALUE_DEFINITION, name: named('ADDED') }]
      : values.filter((_value, index) => index !== removed);
  }

  /** Members of the union, or the interfaces of an object. */
  #editMembers(): void {
    const { random } = this;
    const objects: Fielded[] = this.#types(Kind.OBJECT_TYPE_DEFINITION);
    const unions: Writable<Extract<TypeDefinitionNode, { kind: Kind.UNION_TYPE_DEFINITION }>>[] = this.#types(
      Kind.UNION_TYPE_DEFINITION,
    );
    const object = random.one(objects.filter(({ name }) => name.value.startsWith('Object')));
    if (random.is(0.5)) {
      object.interfaces = object.interfaces?.slice(1);
      return;
    }
    const union = random.one(unions);
    const { types = [] } = union;
    const member = { kind: Kind.NAMED_TYPE, name: object.name } as const;
    union.types = types.some(({ name }) => name.value === object.name.value)
      ? types.filter(({ name }) => name.value !== object.name.value)
      : [...types, member];
  }

  #renameType(): void {
    const { random } = this;
    if (random.is(0.7)) return;
    const from = random.one(['Object0', 'Interface0', 'Union', 'In', 'Kind']);
    this.document = visit(this.document, {
      Name: (node) => (node.value === from ? named(`${from}Renamed`) : undefined),
    });
  }
}

function named(value: string) {
  return { kind: Kind.NAME, value } as const;
}

/** With or without `!`, outside or at the elements of a list. */
function toggled(type: TypeNode, inner: boolean): TypeNode {
  if (inner && type.kind === Kind.LIST_TYPE) return { ...type, type: toggled(type.type, false) };
  if (inner && type.kind === Kind.NON_NULL_TYPE && type.type.kind === Kind.LIST_TYPE) {
    return { ...type, type: { ...type.type, type: toggled(type.type.type, false) } };
  }
  return type.kind === Kind.NON_NULL_TYPE ? type.type : { kind: Kind.NON_NULL_TYPE, type };
}
