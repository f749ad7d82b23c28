import { readFileSync } from 'node:fs';
import { shippedPath } from '../../contract/shipped-files.js';

/** The GraphQL schema of this image, in SDL. Reading the file is faster than building the schema from its resolvers. */
export function imageSchema(): string {
  return readFileSync(shippedPath('api-server/schema.graphql', import.meta.url), 'utf8');
}
