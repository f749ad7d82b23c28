import { Max, Min } from 'class-validator';
import { ArgsType, Field, Int } from 'type-graphql';
import { badUserInput } from '../../errors.js';

export const DEFAULT_PAGE = 20;
export const MAX_PAGE = 100;

/** Arguments of all connections. */
@ArgsType()
export class PageArgs {
  @Min(0)
  @Max(MAX_PAGE)
  @Field(() => Int, {
    nullable: true,
    description: `Number of items to return from the start of the list, 0 to ${MAX_PAGE}. The default is ${DEFAULT_PAGE}.`,
  })
  first?: number | null;

  @Field(() => String, { nullable: true, description: 'Returns the items that follow this cursor.' })
  after?: string | null;

  @Min(0)
  @Max(MAX_PAGE)
  @Field(() => Int, {
    nullable: true,
    description: `Number of items to return from the end of the list, 0 to ${MAX_PAGE}. Excludes \`first\`.`,
  })
  last?: number | null;

  @Field(() => String, { nullable: true, description: 'Returns the items that precede this cursor.' })
  before?: string | null;
}

/** Direction, size and position of a page. */
export interface PageRequest {
  limit: number;
  backward: boolean;
  after?: string;
  before?: string;
}

export function pageRequest({ first, last, after, before }: PageArgs): PageRequest {
  if (first != null && last != null) {
    throw badUserInput({ field: 'last', message: 'must not be combined with first' });
  }
  return {
    limit: first ?? last ?? DEFAULT_PAGE,
    backward: last != null,
    after: after ?? undefined,
    before: before ?? undefined,
  };
}
