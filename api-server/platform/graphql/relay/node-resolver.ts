import { ArrayMaxSize } from 'class-validator';
import { Arg, Args, ArgsType, Ctx, Field, ID, Query, Resolver } from 'type-graphql';
import { badUserInput } from '../errors.js';
import { fromGlobalId } from './global-id.js';
import { Node } from './node.js';
import { MAX_PAGE } from './paging.js';

/** How to find the nodes of each type, by the type's name. */
export type NodeFinders = Readonly<Record<string, (uuid: string) => Promise<Node | null>>>;

interface NodeContext {
  nodeFinders: NodeFinders;
}

@ArgsType()
class NodesArgs {
  @ArrayMaxSize(MAX_PAGE, { message: `must be at most ${MAX_PAGE} ids` })
  @Field(() => [ID])
  ids!: string[];
}

@Resolver()
export class NodeResolver {
  @Query(() => Node, { nullable: true, description: 'Anything by its id; null when there is none.' })
  async node(@Arg('id', () => ID) id: string, @Ctx() context: NodeContext): Promise<Node | null> {
    return find(context, id, 'id');
  }

  @Query(() => [Node], {
    nullable: 'items',
    description: `Up to ${MAX_PAGE} things by their ids, in the order of the ids; null where there is none.`,
  })
  async nodes(
    @Args(() => NodesArgs) { ids }: NodesArgs,
    @Ctx() context: NodeContext,
  ): Promise<(Node | null)[]> {
    return Promise.all(ids.map((id, index) => find(context, id, `ids.${index}`)));
  }
}

async function find({ nodeFinders }: NodeContext, id: string, field: string): Promise<Node | null> {
  const { type, uuid } = fromGlobalId(id, field);
  const finder = Object.hasOwn(nodeFinders, type) ? nodeFinders[type] : undefined;
  if (!finder) throw badUserInput({ field, message: 'is not the id of anything in this API' });
  return finder(uuid);
}
