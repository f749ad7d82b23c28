/**
 * Breaking changes between two schemas, by the schema coordinate that they break. A coordinate breaks if
 * a document that uses it can become invalid, its variables can be rejected, or its result can have a
 * different shape. The rules of graphql-js' `findBreakingChanges` are a subset: it does not report a
 * removed default value of a required argument or input field, another root type, input object types
 * that become @oneOf, nor the uses of `coordinates.ts` that have no coordinate in the specification.
 */
import {
  doTypesOverlap,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputObjectType,
  type GraphQLNamedType,
  type GraphQLSchema,
  type GraphQLType,
  getNamedType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  isUnionType,
  OperationTypeNode,
  parseType,
} from 'graphql';
import {
  haveSameShape,
  type Input,
  isSafeInput,
  isSafeOutput,
  isSafeVariable,
} from './type-compatibility.js';

export interface BreakingChange {
  coordinate: string;
  /** What changes, as a sentence: `Service.owner was removed`. */
  message: string;
}

/**
 * The changes that break one of these coordinates. Coordinates that the old schema does not have are
 * ignored: they were removed earlier.
 */
export function breakingChanges(
  from: GraphQLSchema,
  to: GraphQLSchema,
  coordinates: Iterable<string>,
): BreakingChange[] {
  const found: BreakingChange[] = [];
  for (const coordinate of coordinates) {
    const message = breakOf(from, to, coordinate);
    if (message) found.push({ coordinate, message });
  }
  return found;
}

const ARGUMENT = /^(.+)\((\w+):\)$/;

function breakOf(from: GraphQLSchema, to: GraphQLSchema, coordinate: string): string | undefined {
  const [parent, condition] = coordinate.split(' ... on ');
  if (parent && condition) return fragmentBreak(from, to, parent, condition);
  const [input, form] = coordinate.split(' = ');
  if (input && form) return formBreak(from, to, input, form);
  const [first, second] = coordinate.split(' & ');
  if (first && second) return mergedBreak(from, to, first, second);
  const [, owner, argument] = ARGUMENT.exec(coordinate) ?? [];
  if (owner && argument) return argumentBreak(from, to, coordinate, owner, argument);
  if (coordinate.startsWith('@')) return directiveBreak(from, to, coordinate);
  const [type = '', member] = coordinate.split('.');
  return member === undefined ? typeBreak(from, to, type) : memberBreak(from, to, coordinate, type, member);
}

function typeBreak(from: GraphQLSchema, to: GraphQLSchema, name: string): string | undefined {
  const [before, after] = [from.getType(name), to.getType(name)];
  if (!before) return undefined;
  if (!after) return `${name} was removed`;
  if (kindOf(before) !== kindOf(after)) return `${name} changed from ${kindOf(before)} to ${kindOf(after)}`;
  return isInputObjectType(before) ? inputBreak(before, after as GraphQLInputObjectType) : undefined;
}

/** What breaks each object that is given for the type. */
function inputBreak(before: GraphQLInputObjectType, after: GraphQLInputObjectType): string | undefined {
  if (after.isOneOf && !before.isOneOf) return `${before.name} became @oneOf`;
  for (const field of Object.values(after.getFields())) {
    const old = before.getFields()[field.name];
    if (!isRequiredInputField(field) || (old && isRequiredInputField(old))) continue;
    const became = old ? 'became required' : 'was added and is required';
    return `the input field ${before.name}.${field.name} ${became}`;
  }
  return undefined;
}

function memberBreak(
  from: GraphQLSchema,
  to: GraphQLSchema,
  coordinate: string,
  typeName: string,
  member: string,
): string | undefined {
  const [before, after] = [from.getType(typeName), to.getType(typeName)];
  if (!before || !hasMember(before, member)) return undefined;
  const ofType = typeBreak(from, to, typeName);
  if (!after || kindOf(before) !== kindOf(after)) return ofType;
  if (!hasMember(after, member)) return `${coordinate} was removed`;
  if (isEnumType(before)) return undefined;
  if (isInputObjectType(before)) {
    return inputTypeBreak(coordinate, before.getFields()[member]!, inputFieldOf(after, member)!);
  }
  const [old, now] = [fieldOf(from, coordinate)!, fieldOf(to, coordinate)!];
  return fieldBreak(coordinate, old, now) ?? rootBreak(from, to, coordinate, typeName);
}

function fieldBreak(coordinate: string, before: Field, after: Field): string | undefined {
  if (!isSafeOutput(before.type, after.type)) {
    return `${coordinate} changed its type from ${before.type} to ${after.type}`;
  }
  const kind = kindBreak(before.type, after.type);
  if (kind) return `${coordinate}: ${kind}`;
  const required = newlyRequired(before.args, after.args);
  return required && `the argument ${coordinate}(${required}`;
}

/** Name and change of an argument without which the field or directive is no longer valid. */
function newlyRequired(
  before: readonly GraphQLArgument[],
  after: readonly GraphQLArgument[],
): string | undefined {
  for (const argument of after) {
    const old = before.find(({ name }) => name === argument.name);
    if (!isRequiredArgument(argument) || (old && isRequiredArgument(old))) continue;
    return `${argument.name}:) ${old ? 'became required' : 'was added and is required'}`;
  }
  return undefined;
}

/** A type can keep its name and become another kind: fields of an object type must have selections, others must not. */
function kindBreak(before: GraphQLType, after: GraphQLType): string | undefined {
  const [old, now] = [getNamedType(before), getNamedType(after)];
  if (old.name !== now.name || kindOf(old) === kindOf(now)) return undefined;
  return `${old.name} changed from ${kindOf(old)} to ${kindOf(now)}`;
}

function rootBreak(
  from: GraphQLSchema,
  to: GraphQLSchema,
  coordinate: string,
  typeName: string,
): string | undefined {
  for (const operation of Object.values(OperationTypeNode)) {
    if (from.getRootType(operation)?.name !== typeName || to.getRootType(operation)?.name === typeName)
      continue;
    return `${coordinate} is no longer a field of the ${operation} type`;
  }
  return undefined;
}

function argumentBreak(
  from: GraphQLSchema,
  to: GraphQLSchema,
  coordinate: string,
  owner: string,
  name: string,
): string | undefined {
  const [before, after] = [from, to].map((schema) => argumentsOf(schema, owner));
  const old = before?.find((argument) => argument.name === name);
  if (!old || !after) return undefined; // the coordinate of the owner reports a removed one
  const now = after.find((argument) => argument.name === name);
  if (!now) return `${coordinate} was removed`;
  return inputTypeBreak(coordinate, old, now);
}

/** A value that is neither null, a list nor a variable fits each type with the same name, also lists of it. */
function inputTypeBreak(coordinate: string, before: Input, after: Input): string | undefined {
  if (getNamedType(before.type).name !== getNamedType(after.type).name)
    return typeChange(coordinate, before, after);
  const kind = kindBreak(before.type, after.type);
  return kind && `${coordinate}: ${kind}`;
}

function typeChange(coordinate: string, before: Input, after: Input): string {
  return `${coordinate} changed its type from ${before.type} to ${after.type}`;
}

function formBreak(
  from: GraphQLSchema,
  to: GraphQLSchema,
  coordinate: string,
  form: string,
): string | undefined {
  const [before, after] = [from, to].map((schema) => inputOf(schema, coordinate));
  // Its own coordinate reports a removed one, and a type with another name.
  if (!before || !after || inputTypeBreak(coordinate, before, after)) return undefined;
  const isSafe =
    form === 'null'
      ? !isNonNullType(after.type)
      : form === 'list'
        ? isSafeInput(before.type, after.type)
        : isSafeVariable(parseType(form.slice(1)), before, after);
  return isSafe ? undefined : typeChange(coordinate, before, after);
}

function inputOf(schema: GraphQLSchema, coordinate: string): Input | undefined {
  const [, owner, argument] = ARGUMENT.exec(coordinate) ?? [];
  if (owner) return argumentsOf(schema, owner)?.find(({ name }) => name === argument);
  const [typeName = '', name = ''] = coordinate.split('.');
  return inputFieldOf(schema.getType(typeName), name);
}

function inputFieldOf(
  type: GraphQLNamedType | null | undefined,
  name: string,
): GraphQLInputField | undefined {
  return isInputObjectType(type) ? type.getFields()[name] : undefined;
}

function directiveBreak(from: GraphQLSchema, to: GraphQLSchema, coordinate: string): string | undefined {
  const name = coordinate.slice(1);
  const [before, after] = [from.getDirective(name), to.getDirective(name)];
  if (!before) return undefined;
  if (!after) return `${coordinate} was removed`;
  const location = before.locations.find((one) => !after.locations.includes(one));
  if (location) return `${coordinate} is no longer allowed on ${location}`;
  if (before.isRepeatable && !after.isRepeatable) return `${coordinate} is no longer repeatable`;
  const required = newlyRequired(before.args, after.args);
  return required && `the argument ${coordinate}(${required}`;
}

function fragmentBreak(
  from: GraphQLSchema,
  to: GraphQLSchema,
  parent: string,
  condition: string,
): string | undefined {
  if (overlap(from, parent, condition) !== true || overlap(to, parent, condition) !== false) return undefined;
  return `${parent} no longer has objects of type ${condition}`;
}

/** Undefined if a type is missing or cannot have fragments, which its own coordinate reports. */
function overlap(schema: GraphQLSchema, a: string, b: string): boolean | undefined {
  const [first, second] = [schema.getType(a), schema.getType(b)];
  if (!isCompositeType(first) || !isCompositeType(second)) return undefined;
  return doTypesOverlap(schema, first, second);
}

/** As the validation rule OverlappingFieldsCanBeMerged: also a change that is safe on its own can break it. */
function mergedBreak(
  from: GraphQLSchema,
  to: GraphQLSchema,
  first: string,
  second: string,
): string | undefined {
  if (!fieldOf(from, first) || !fieldOf(from, second)) return undefined;
  const [a, b] = [fieldOf(to, first), fieldOf(to, second)];
  if (!a || !b || haveSameShape(a.type, b.type)) return undefined;
  return `${first} (${a.type}) and ${second} (${b.type}) no longer have the same type, so they cannot have the same name in a result`;
}

type Field = GraphQLField<unknown, unknown>;

function fieldOf(schema: GraphQLSchema, coordinate: string): Field | undefined {
  const [typeName = '', name = ''] = coordinate.split('.');
  const type = schema.getType(typeName);
  return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined;
}

function argumentsOf(schema: GraphQLSchema, owner: string): readonly GraphQLArgument[] | undefined {
  return owner.startsWith('@') ? schema.getDirective(owner.slice(1))?.args : fieldOf(schema, owner)?.args;
}

function hasMember(type: GraphQLNamedType, name: string): boolean {
  if (isEnumType(type)) return type.getValue(name) !== undefined;
  if (isObjectType(type) || isInterfaceType(type) || isInputObjectType(type)) {
    return Object.hasOwn(type.getFields(), name);
  }
  return false;
}

function kindOf(type: GraphQLNamedType): string {
  if (isObjectType(type)) return 'an object type';
  if (isInterfaceType(type)) return 'an interface';
  if (isUnionType(type)) return 'a union';
  if (isEnumType(type)) return 'an enum';
  return isInputObjectType(type) ? 'an input object type' : 'a scalar';
}
