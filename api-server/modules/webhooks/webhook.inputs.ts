import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsUrl, Matches, MaxLength } from 'class-validator';
import { ArgsType, Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { Role, Scope } from '../../auth/roles.js';
import { Allow } from '../../graphql/access.js';
import type { OrderInput } from '../../graphql/relay/ordering.js';
import { MAX_PAGE, PageArgs } from '../../graphql/relay/paging.js';
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
const URL_MESSAGE = 'must be an https URL without credentials';

@InputType({ description: 'Input of `createWebhook`.' })
export class CreateWebhookInput {
  @IsUrl(URL_RULE, { message: URL_MESSAGE })
  @MaxLength(2_000, { message: 'must be at most 2000 characters long' })
  @Field({ description: 'URL of the endpoint: https, without credentials, at most 2000 characters.' })
  url!: string;

  @MaxLength(1_000, { message: 'must be at most 1000 characters long' })
  @Field(() => String, { nullable: true, description: 'Description, at most 1000 characters.' })
  description?: string | null;

  @ArrayMinSize(1, { message: 'must not be empty' })
  @ArrayMaxSize(50)
  @ArrayUnique({ message: 'must not contain duplicates' })
  @Field(() => [DomainEventKind], { description: 'Event kinds that the webhook receives.' })
  events!: DomainEventKind[];

  @Field(() => ID, {
    nullable: true,
    description: 'ID of a service: the webhook receives only its events. Omit it for all services.',
  })
  serviceId?: string | null;

  @Matches(NAME_RULE, { message: NAME_MESSAGE })
  @Field(() => String, {
    nullable: true,
    description:
      'Name of an environment: the webhook receives only its events. Omit it for all environments.',
  })
  environment?: string | null;
}

@InputType({
  description:
    'Input of `updateWebhook`. Omitted fields keep their values; null removes the value of an optional field.',
})
export class UpdateWebhookInput {
  @Field(() => ID, { description: 'ID of the webhook.' })
  id!: string;

  @IsUrl(URL_RULE, { message: URL_MESSAGE })
  @MaxLength(2_000, { message: 'must be at most 2000 characters long' })
  @Field(() => String, {
    nullable: true,
    description: 'New URL: https, without credentials, at most 2000 characters.',
  })
  url?: string | null;

  @MaxLength(1_000, { message: 'must be at most 1000 characters long' })
  @Field(() => String, { nullable: true, description: 'New description, at most 1000 characters.' })
  description?: string | null;

  @ArrayMinSize(1, { message: 'must not be empty' })
  @ArrayMaxSize(50)
  @ArrayUnique({ message: 'must not contain duplicates' })
  @Field(() => [DomainEventKind], { nullable: true, description: 'New event kinds.' })
  events?: DomainEventKind[] | null;

  @Field(() => ID, {
    nullable: true,
    description: 'ID of a service: the webhook receives only its events. Null for all services.',
  })
  serviceId?: string | null;

  @Matches(NAME_RULE, { message: NAME_MESSAGE })
  @Field(() => String, {
    nullable: true,
    description: 'Name of an environment: the webhook receives only its events. Null for all environments.',
  })
  environment?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'False disables the webhook. Its pending messages fail and are not sent.',
  })
  enabled?: boolean | null;
}

@InputType({ description: 'Input of `deleteWebhook`.' })
export class DeleteWebhookInput {
  @Field(() => ID, { description: 'ID of the webhook.' })
  id!: string;
}

@InputType({ description: 'Input of `retryWebhookMessages`.' })
export class RetryWebhookMessagesInput {
  @Field(() => ID, { description: 'ID of the webhook.' })
  webhookId!: string;

  @ArrayMinSize(1, { message: 'must not be empty; omit it to retry all failed messages' })
  @ArrayMaxSize(MAX_PAGE)
  @Field(() => [ID], {
    nullable: true,
    description: `IDs of failed messages, at most ${MAX_PAGE}. Omit it to retry all failed messages of the webhook.`,
  })
  ids?: string[] | null;
}

@Allow(Role.ADMIN, Scope.WEBHOOKS)
@ObjectType({ simpleResolvers: true, description: 'Result of `retryWebhookMessages`.' })
export class RetriedWebhookMessages {
  @Field(() => Webhook, { description: 'The webhook.' })
  webhook!: Webhook;

  @Field(() => Int, {
    description:
      'Number of messages that are retried. Messages whose status is no longer FAILED are not counted.',
  })
  count!: number;
}

@InputType({ description: 'Input of `rotateWebhookSecret`.' })
export class RotateWebhookSecretInput {
  @Field(() => ID, { description: 'ID of the webhook.' })
  id!: string;
}

@Allow(Role.ADMIN, Scope.WEBHOOKS)
@ObjectType({ simpleResolvers: true, description: 'A webhook, with the secret that is returned only once.' })
export class WebhookWithSecret {
  @Field(() => Webhook, { description: 'The webhook.' })
  webhook!: Webhook;

  @Field({
    description:
      'Secret with which messages are signed. It is returned only in this response and cannot be read again.',
  })
  secret!: string;
}

@ObjectType({ simpleResolvers: true, description: 'Result of `deleteWebhook`.' })
export class DeletedWebhook {
  @Field(() => ID, { description: 'ID of the deleted webhook.' })
  id!: string;
}

@InputType({ description: 'Filters for webhooks. Filters are combined with AND.' })
export class WebhookFilter {
  @Field(() => Boolean, {
    nullable: true,
    description: 'True returns only enabled webhooks, false only disabled webhooks.',
  })
  enabled?: boolean | null;

  @Field(() => ID, {
    nullable: true,
    description: 'ID of a service. Returns the webhooks that receive only its events.',
  })
  serviceId?: string | null;
}

@ArgsType()
export class WebhooksArgs extends PageArgs {
  @Field(() => WebhookFilter, { nullable: true, description: 'Filters for the returned webhooks.' })
  filter?: WebhookFilter | null;

  @Field(() => WebhookOrder, { nullable: true, description: 'Sort order. The default is oldest first.' })
  orderBy?: OrderInput | null;
}

@InputType({ description: 'Filters for messages.' })
export class WebhookMessageFilter {
  @Field(() => [WebhookMessageStatus], {
    nullable: true,
    description: 'Returns messages with one of these statuses.',
  })
  status?: WebhookMessageStatus[] | null;
}

@ArgsType()
export class WebhookMessagesArgs extends PageArgs {
  @Field(() => WebhookMessageFilter, { nullable: true, description: 'Filters for the returned messages.' })
  filter?: WebhookMessageFilter | null;

  @Field(() => WebhookMessageOrder, {
    nullable: true,
    description: 'Sort order. The default is newest first.',
  })
  orderBy?: OrderInput | null;
}
