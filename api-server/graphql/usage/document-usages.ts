import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  Kind,
  parse,
  validate,
} from 'graphql';
import { coordinatesOf } from './coordinates.js';
import type { Usage } from './usage-counter.js';

/** The client of documents that are registered, whether or not a request references them. */
const CLIENT = { name: 'trusted-documents', application: '', version: '' };

/** Uses of all operations of these documents. Documents that are not valid are skipped: they are rejected at each request. */
export function documentUsages(schema: GraphQLSchema, texts: Iterable<string>): Usage[] {
  const coordinates = new Set([...texts].flatMap((text) => coordinatesIn(schema, text)));
  return [...coordinates].map((coordinate) => ({ ...CLIENT, coordinate, count: 0 }));
}

function coordinatesIn(schema: GraphQLSchema, text: string): string[] {
  const document = parsed(text);
  if (!document || validate(schema, document).length > 0) return [];
  const { definitions } = document;
  const fragments = Object.fromEntries(
    definitions
      .filter((one): one is FragmentDefinitionNode => one.kind === Kind.FRAGMENT_DEFINITION)
      .map((fragment) => [fragment.name.value, fragment]),
  );
  const operations = definitions.filter((one) => one.kind === Kind.OPERATION_DEFINITION);
  return operations.flatMap((operation) => coordinatesOf(schema, operation, fragments));
}

function parsed(text: string): DocumentNode | undefined {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}
