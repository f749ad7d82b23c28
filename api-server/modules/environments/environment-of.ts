import type { GraphQLResolveInfo } from 'graphql';
import { selectedFields } from '../../platform/graphql/relay/selection.js';
import type { GraphqlContext } from '../context.js';
import { Environment } from './environment.entity.js';

/** The environment that something names. When only its name is asked for, it is known already. */
export async function environmentOf(
  name: string,
  loaders: GraphqlContext['loaders'],
  info: GraphQLResolveInfo,
): Promise<Environment | null> {
  const fields = selectedFields(info);
  const isKnown = [...fields].every((field) => field === 'name' || field === '__typename');
  return isKnown ? Object.assign(new Environment(), { name }) : loaders.environmentByName.load(name, fields);
}
