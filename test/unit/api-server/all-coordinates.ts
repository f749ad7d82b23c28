import {
  type GraphQLNamedType,
  type GraphQLSchema,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isSpecifiedDirective,
  isSpecifiedScalarType,
} from 'graphql';

/**
 * All coordinates of a schema, including fragments on the possible types of an abstract type, and lists as values,
 * for which each change of a type is breaking that is breaking for any value.
 */
export function allCoordinates(schema: GraphQLSchema): string[] {
  const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'));
  const directives = schema.getDirectives().filter((directive) => !isSpecifiedDirective(directive));
  return [
    ...types.filter((type) => !isSpecifiedScalarType(type)).flatMap((type) => coordinatesIn(schema, type)),
    ...directives.flatMap(({ name, args }) => [
      `@${name}`,
      ...inputsOf(args.map((argument) => `@${name}(${argument.name}:)`)),
    ]),
  ];
}

function coordinatesIn(schema: GraphQLSchema, type: GraphQLNamedType): string[] {
  const own = [type.name];
  if (isAbstractType(type)) {
    own.push(...schema.getPossibleTypes(type).map(({ name }) => `${type.name} ... on ${name}`));
  }
  if (isEnumType(type)) return [...own, ...type.getValues().map(({ name }) => `${type.name}.${name}`)];
  if (isInputObjectType(type)) {
    return [...own, ...inputsOf(Object.keys(type.getFields()).map((name) => `${type.name}.${name}`))];
  }
  if (!isObjectType(type) && !isInterfaceType(type)) return own;
  const fields = Object.values(type.getFields()).flatMap(({ name, args }) => {
    const coordinate = `${type.name}.${name}`;
    return [coordinate, ...inputsOf(args.map((argument) => `${coordinate}(${argument.name}:)`))];
  });
  return [...own, ...fields];
}

function inputsOf(coordinates: readonly string[]): string[] {
  return coordinates.flatMap((coordinate) => [coordinate, `${coordinate} = list`]);
}
