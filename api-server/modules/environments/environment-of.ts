import type { GraphQLResolveInfo } from 'graphql';
import { selectedFields } from '../../graphql/relay/selection.js';
import type { GraphqlContext } from '../context.js';
import { Environment } from './environment.entity.js';

/** Loads the environment of a row by its name. Needs no query when only the name is selected. */
export async function loadEnvironment(
  name: string,
  loaders: GraphqlContext['loaders'],
  info: GraphQLResolveInfo,
): Promise<Environment | null> {
  const fields = selectedFields(info);
  const isNameEnough = [...fields].every((field) => field === 'name' || field === '__typename');
  return isNameEnough
    ? Object.assign(new Environment(), { name })
    : loaders.environmentByName.load(name, fields);
}
