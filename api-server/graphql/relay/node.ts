import { Field, ID, InterfaceType } from 'type-graphql';
import { PrimaryColumn } from 'typeorm';
import { toGlobalId } from './global-id.js';

/** Base class of all entities with a global ID. */
@InterfaceType('Node', { description: 'An object with a global ID. The query `node` returns it by that ID.' })
export abstract class Node {
  /** Primary key of the row. */
  @PrimaryColumn('uuid', { name: 'id' })
  uuid!: string;

  @Field(() => ID, { description: 'Global ID, unique across all types.' })
  get id(): string {
    return toGlobalId(this.constructor.name, this.uuid);
  }
}
