import { Field, ID, InterfaceType } from 'type-graphql';
import { PrimaryColumn } from 'typeorm';
import { toGlobalId } from './global-id.js';

/** Anything that has a global id and can be asked for with `node(id)`. */
@InterfaceType('Node')
export abstract class Node {
  /** The row's own key. */
  @PrimaryColumn('uuid', { name: 'id' })
  uuid!: string;

  @Field(() => ID, { description: 'Unique over all types.' })
  get id(): string {
    return toGlobalId(this.constructor.name, this.uuid);
  }
}
