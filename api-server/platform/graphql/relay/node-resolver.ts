import { ArrayMaxSize } from 'class-validator';
import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, ArgsType, Ctx, Field, ID, Info, Query, Resolver } from 'type-graphql';
import { AllowRead, accessOf, requireAccess } from '../../auth/access.js';
import type { Identity } from '../../auth/identity.js';
import { badUserInput } from '../errors.js';
import { fromGlobalId } from './global-id.js';
import { Node } from './node.js';
import { MAX_PAGE } from './paging.js';

/** How to find the nodes of each type, by the type's name. */
export type NodeFinders = Readonly<Record<string, (uuid: string) => Promise<Node | null>>>;

interface NodeContext {
  nodeFinders: NodeFinders;
  identity: Identity;
}

@ArgsType()
class NodesArgs {
  @ArrayMaxSize(MAX_PAGE, { message: `must be at most ${MAX_PAGE} ids` })
  @Field(() => [ID])
  ids!: string[];
}

@Resolver()
export class NodeResolver {
  @AllowRead()
  @Query(() => Node, { nullable: true, description: 'Anything by its id; null when there is none.' })
  async node(
    @Arg('id', () => ID) id: string,
    @Ctx() context: NodeContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Node | null> {
    return find(context, info, id, 'id');
  }

  @AllowRead()
  @Query(() => [Node], {
    nullable: 'items',
    description: `Up to ${MAX_PAGE} things by their ids, in the order of the ids; null where there is none.`,
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
  if (!finder) throw badUserInput({ field, message: 'is not the id of anything in this API' });
  const rule = accessOf(schema.getType(type));
  if (!rule) throw new Error(`who may see a ${type} is not said`); // refused when the schema was built
  requireAccess(identity, rule);
  return finder(uuid);
}
