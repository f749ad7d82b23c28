import type { GraphQLResolveInfo } from 'graphql';
import { Args, ArgsType, Field, ID, Info, InputType, Query, Resolver } from 'type-graphql';
import { Role, Scope } from '../../auth/roles.js';
import { between, equals, oneOf } from '../../database/conditions.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { Allow } from '../../graphql/access.js';
import type { Page } from '../../graphql/relay/connection.js';
import { listQuery, rootPage } from '../../graphql/relay/list.js';
import type { OrderInput } from '../../graphql/relay/ordering.js';
import { PageArgs } from '../../graphql/relay/paging.js';
import {
  AuditEvent,
  AuditEventConnection,
  AuditEventOrder,
  AuditOutcome,
  auditEventType,
} from './audit-event.entity.js';

@InputType({ description: 'Filters for audit events. Filters are combined with AND.' })
class AuditEventFilter {
  @Field(() => String, {
    nullable: true,
    description: 'Returns the actions of this actor, in the format of `AuditEvent.actor`.',
  })
  actor?: string | null;

  @Field(() => [String], { nullable: true, description: 'Returns actions with one of these names.' })
  action?: string[] | null;

  @Field(() => ID, { nullable: true, description: 'Returns actions on the object with this ID.' })
  subject?: string | null;

  @Field(() => [AuditOutcome], { nullable: true, description: 'Returns actions with one of these outcomes.' })
  outcome?: AuditOutcome[] | null;

  @Field(() => Date, { nullable: true, description: 'Start of the time range, inclusive.' })
  from?: Date | null;

  @Field(() => Date, { nullable: true, description: 'End of the time range, exclusive.' })
  to?: Date | null;
}

@ArgsType()
class AuditEventsArgs extends PageArgs {
  @Field(() => AuditEventFilter, { nullable: true, description: 'Filters for the returned audit events.' })
  filter?: AuditEventFilter | null;

  @Field(() => AuditEventOrder, { nullable: true, description: 'Sort order. The default is newest first.' })
  orderBy?: OrderInput | null;
}

@Resolver(() => AuditEvent)
export class AuditResolver {
  constructor(private readonly dataSource: DataSource) {}

  @Allow(Role.ADMIN, Scope.ADMIN)
  @Query(() => AuditEventConnection, { description: 'Lists audit events, newest first.' })
  async auditEvents(
    @Args(() => AuditEventsArgs) args: AuditEventsArgs,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<AuditEvent>> {
    const { actor, action, subject, outcome, from, to } = args.filter ?? {};
    const where = [
      ...equals<AuditEvent>('actor', actor),
      ...oneOf<AuditEvent>('action', action),
      ...equals<AuditEvent>('subject', subject),
      ...oneOf<AuditEvent>('outcome', outcome),
      ...between<AuditEvent>('occurredAt', { from, to }),
    ];
    return rootPage(this.dataSource, auditEventType, listQuery(auditEventType, args, where, info));
  }
}
