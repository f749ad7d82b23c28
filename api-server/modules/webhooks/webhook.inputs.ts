import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsUrl, Matches, MaxLength } from 'class-validator';
import { ArgsType, Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { Allow } from '../../platform/auth/access.js';
import { Role, Scope } from '../../platform/auth/roles.js';
import type { OrderInput } from '../../platform/graphql/relay/ordering.js';
import { MAX_PAGE, PageArgs } from '../../platform/graphql/relay/paging.js';
import { DomainEventKind } from '../events/event-kind.js';
import { NAME_MESSAGE, NAME_RULE } from '../services/service.inputs.js';
import { Webhook, WebhookOrder } from './webhook.entity.js';
import { WebhookMessageOrder, WebhookMessageStatus } from './webhook-message.entity.js';

const URL_RULE = {
  protocols: ['https', 'http'],
  require_protocol: true,
  require_tld: false,
  disallow_auth: true,
};
const URL_MESSAGE = 'must be an https URL without a user or password in it';

@InputType()
export class CreateWebhookInput {
  @IsUrl(URL_RULE, { message: URL_MESSAGE })
  @MaxLength(2_000, { message: 'must be at most 2000 characters long' })
  @Field()
  url!: string;

  @MaxLength(1_000, { message: 'must be at most 1000 characters long' })
  @Field(() => String, { nullable: true })
  description?: string | null;

  @ArrayMinSize(1, { message: 'must not be empty' })
  @ArrayMaxSize(50)
  @ArrayUnique({ message: 'must not name an event twice' })
  @Field(() => [DomainEventKind])
  events!: DomainEventKind[];

  @Field(() => ID, { nullable: true, description: 'Only what happens to this service.' })
  serviceId?: string | null;

  @Matches(NAME_RULE, { message: NAME_MESSAGE })
  @Field(() => String, { nullable: true, description: 'Only what happens in this environment, by its name.' })
  environment?: string | null;
}

@InputType({ description: 'What is left out stays as it is; null takes it away where that is possible.' })
export class UpdateWebhookInput {
  @Field(() => ID)
  id!: string;

  @IsUrl(URL_RULE, { message: URL_MESSAGE })
  @MaxLength(2_000, { message: 'must be at most 2000 characters long' })
  @Field(() => String, { nullable: true })
  url?: string | null;

  @MaxLength(1_000, { message: 'must be at most 1000 characters long' })
  @Field(() => String, { nullable: true })
  description?: string | null;

  @ArrayMinSize(1, { message: 'must not be empty' })
  @ArrayMaxSize(50)
  @ArrayUnique({ message: 'must not name an event twice' })
  @Field(() => [DomainEventKind], { nullable: true })
  events?: DomainEventKind[] | null;

  @Field(() => ID, { nullable: true, description: 'Only what happens to this service; null for all.' })
  serviceId?: string | null;

  @Matches(NAME_RULE, { message: NAME_MESSAGE })
  @Field(() => String, {
    nullable: true,
    description: 'Only what happens in this environment, by its name; null for all.',
  })
  environment?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'What a webhook that is turned off was still to be told is given up.',
  })
  enabled?: boolean | null;
}

@InputType()
export class DeleteWebhookInput {
  @Field(() => ID)
  id!: string;
}

@InputType()
export class RetryWebhookMessagesInput {
  @Field(() => ID)
  webhookId!: string;

  @ArrayMinSize(1, { message: 'must not be empty; leave it out for all that were given up' })
  @ArrayMaxSize(MAX_PAGE)
  @Field(() => [ID], { nullable: true, description: 'Only these; all that were given up when left out.' })
  ids?: string[] | null;
}

@Allow(Role.ADMIN, Scope.WEBHOOKS)
@ObjectType({ simpleResolvers: true })
export class RetriedWebhookMessages {
  @Field(() => Webhook)
  webhook!: Webhook;

  @Field(() => Int, { description: 'How many are tried again; what is no longer FAILED is not.' })
  count!: number;
}

@InputType()
export class RotateWebhookSecretInput {
  @Field(() => ID)
  id!: string;
}

@Allow(Role.ADMIN, Scope.WEBHOOKS)
@ObjectType({ simpleResolvers: true })
export class WebhookWithSecret {
  @Field(() => Webhook)
  webhook!: Webhook;

  @Field({ description: 'What messages are signed with. It is shown this once.' })
  secret!: string;
}

@ObjectType({ simpleResolvers: true })
export class DeletedWebhook {
  @Field(() => ID)
  id!: string;
}

@InputType({ description: 'All that are given must fit.' })
export class WebhookFilter {
  @Field(() => Boolean, { nullable: true })
  enabled?: boolean | null;

  @Field(() => ID, { nullable: true })
  serviceId?: string | null;
}

@ArgsType()
export class WebhooksArgs extends PageArgs {
  @Field(() => WebhookFilter, { nullable: true })
  filter?: WebhookFilter | null;

  @Field(() => WebhookOrder, { nullable: true, description: 'Oldest first when left out.' })
  orderBy?: OrderInput | null;
}

@InputType()
export class WebhookMessageFilter {
  @Field(() => [WebhookMessageStatus], { nullable: true })
  status?: WebhookMessageStatus[] | null;
}

@ArgsType()
export class WebhookMessagesArgs extends PageArgs {
  @Field(() => WebhookMessageFilter, { nullable: true })
  filter?: WebhookMessageFilter | null;

  @Field(() => WebhookMessageOrder, { nullable: true, description: 'Newest first when left out.' })
  orderBy?: OrderInput | null;
}
