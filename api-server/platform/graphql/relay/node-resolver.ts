import { Arg, ID, Query, Resolver } from 'type-graphql';
import { fromGlobalId } from './global-id.js';
import { Node } from './node.js';

/** How to find the nodes of each type, by the type's name. */
export type NodeFinders = Record<string, (uuid: string) => Promise<Node | null>>;

@Resolver()
export class NodeResolver {
  constructor(private readonly finders: NodeFinders) {}

  @Query(() => Node, { nullable: true, description: 'Anything by its id; null when there is none.' })
  async node(@Arg('id', () => ID) id: string): Promise<Node | null> {
    const { type, uuid } = fromGlobalId(id, 'id');
    const find = Object.hasOwn(this.finders, type) ? this.finders[type] : undefined;
    return find ? find(uuid) : null;
  }
}
