import { Max, Min } from 'class-validator';
import { ArgsType, Field, Int } from 'type-graphql';
import { badUserInput } from '../errors.js';

export const DEFAULT_PAGE = 20;
export const MAX_PAGE = 100;

/** The arguments of every connection. */
@ArgsType()
export class PageArgs {
  @Min(1)
  @Max(MAX_PAGE)
  @Field(() => Int, { nullable: true, description: `The first so many; at most ${MAX_PAGE}.` })
  first?: number | null;

  @Field(() => String, { nullable: true, description: 'Only what comes after this cursor.' })
  after?: string | null;

  @Min(1)
  @Max(MAX_PAGE)
  @Field(() => Int, { nullable: true, description: `The last so many; at most ${MAX_PAGE}.` })
  last?: number | null;

  @Field(() => String, { nullable: true, description: 'Only what comes before this cursor.' })
  before?: string | null;
}

/** Which way a page is read and how long it is. */
export interface PageRequest {
  limit: number;
  backward: boolean;
  after?: string;
  before?: string;
}

export function pageRequest({ first, last, after, before }: PageArgs): PageRequest {
  if (first != null && last != null) {
    throw badUserInput({ field: 'last', message: 'first and last exclude each other' });
  }
  return {
    limit: first ?? last ?? DEFAULT_PAGE,
    backward: last != null,
    after: after ?? undefined,
    before: before ?? undefined,
  };
}
