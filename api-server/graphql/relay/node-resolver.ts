import { ArrayMaxSize } from 'class-validator';
import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, ArgsType, Ctx, Field, ID, Info, Query, Resolver } from 'type-graphql';
import type { Identity } from '../../auth/identity.js';
import { badUserInput } from '../../errors.js';
import { AllowRead, accessOf, requireAccess } from '../access.js';
import { fromGlobalId } from './global-id.js';
import { Node } from './node.js';
import { MAX_PAGE } from './paging.js';

/** Functions that load a node by its primary key, by type name. */
export type NodeFinders = Readonly<Record<string, (uuid: string) => Promise<Node | null>>>;

interface NodeContext {
  nodeFinders: NodeFinders;
  identity: Identity;
}

@ArgsType()
class NodesArgs {
  @ArrayMaxSize(MAX_PAGE, { message: `must contain at most ${MAX_PAGE} IDs` })
  @Field(() => [ID], { description: `Global IDs, at most ${MAX_PAGE}.` })
  ids!: string[];
}

@Resolver()
export class NodeResolver {
  @AllowRead()
  @Query(() => Node, {
    nullable: true,
    description: 'The object with this global ID; null when it does not exist.',
  })
  async node(
    @Arg('id', () => ID, { description: 'Global ID of the object.' }) id: string,
    @Ctx() context: NodeContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Node | null> {
    return find(context, info, id, 'id');
  }

  @AllowRead()
  @Query(() => [Node], {
    nullable: 'items',
    description: `The objects with these global IDs, at most ${MAX_PAGE}, in the order of the IDs; null for those that do not exist.`,
  })
  async nodes(
    @Args(() => NodesArgs) { ids }: NodesArgs,
    @Ctx() context: NodeContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<(Node | null)[]> {
    return Promise.all(ids.map((id, index) => find(context, info, id, `ids.${index}`)));
  }
}

async function find(
  { nodeFinders, identity }: NodeContext,
  { schema }: GraphQLResolveInfo,
  id: string,
  field: string,
): Promise<Node | null> {
  const { type, uuid } = fromGlobalId(id, field);
  const finder = Object.hasOwn(nodeFinders, type) ? nodeFinders[type] : undefined;
  if (!finder) throw badUserInput({ field, message: 'is not the ID of a type of this API' });
  const rule = accessOf(schema.getType(type));
  // unreachable: building the schema fails without a rule
  if (!rule) throw new Error(`the type ${type} has no access rule`);
  requireAccess(identity, rule);
  return finder(uuid);
}
