import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import { Role, Scope } from '../../auth/roles.js';
import { equals, oneOf } from '../../database/conditions.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { Allow } from '../../graphql/access.js';
import type { Page } from '../../graphql/relay/connection.js';
import { uuidOf } from '../../graphql/relay/global-id.js';
import { listQuery, rootPage } from '../../graphql/relay/list.js';
import { selectedFields } from '../../graphql/relay/selection.js';
import type { GraphqlContext } from '../context.js';
import { Service } from '../services/service.entity.js';
import { Webhook, WebhookConnection, webhookType } from './webhook.entity.js';
import {
  CreateWebhookInput,
  DeletedWebhook,
  DeleteWebhookInput,
  RetriedWebhookMessages,
  RetryWebhookMessagesInput,
  RotateWebhookSecretInput,
  UpdateWebhookInput,
  WebhookMessagesArgs,
  WebhooksArgs,
  WebhookWithSecret,
} from './webhook.inputs.js';
import type { WebhookService } from './webhook.service.js';
import {
  type WebhookMessage,
  WebhookMessageConnection,
  webhookMessageType,
} from './webhook-message.entity.js';

@Resolver(() => Webhook)
export class WebhookResolver {
  constructor(
    private readonly dataSource: DataSource,
    private readonly webhooks: WebhookService,
  ) {}

  @Allow(Role.OPERATOR, Scope.WEBHOOKS)
  @Query(() => WebhookConnection, { name: 'webhooks', description: 'Lists webhooks, oldest first.' })
  async all(
    @Args(() => WebhooksArgs) args: WebhooksArgs,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<Webhook>> {
    const { enabled, serviceId } = args.filter ?? {};
    const service = serviceId == null ? null : uuidOf('Service', serviceId, 'filter.serviceId');
    const where = [...equals<Webhook>('enabled', enabled), ...equals<Webhook>('serviceId', service)];
    return rootPage(this.dataSource, webhookType, listQuery(webhookType, args, where, info));
  }

  @Allow(Role.ADMIN, Scope.WEBHOOKS)
  @Mutation(() => WebhookWithSecret, {
    description: 'Creates a webhook. The response contains the signing secret; it is returned only once.',
  })
  async createWebhook(
    @Arg('input', () => CreateWebhookInput, { description: 'Properties of the webhook.' })
    input: CreateWebhookInput,
  ): Promise<WebhookWithSecret> {
    return this.webhooks.create(input);
  }

  @Allow(Role.ADMIN, Scope.WEBHOOKS)
  @Mutation(() => Webhook, { description: 'Updates a webhook.' })
  async updateWebhook(
    @Arg('input', () => UpdateWebhookInput, { description: 'The webhook and its new values.' })
    input: UpdateWebhookInput,
  ): Promise<Webhook> {
    return this.webhooks.update(input);
  }

  @Allow(Role.ADMIN, Scope.WEBHOOKS)
  @Mutation(() => DeletedWebhook, {
    description: 'Deletes a webhook and its messages. Pending messages are not sent.',
  })
  async deleteWebhook(
    @Arg('input', () => DeleteWebhookInput, { description: 'The webhook to delete.' })
    input: DeleteWebhookInput,
  ): Promise<DeletedWebhook> {
    await this.webhooks.delete(input);
    return { id: input.id };
  }

  @Allow(Role.ADMIN, Scope.WEBHOOKS)
  @Mutation(() => WebhookWithSecret, {
    description:
      'Creates a new signing secret. Messages are also signed with the previous secret for 48 hours.',
  })
  async rotateWebhookSecret(
    @Arg('input', () => RotateWebhookSecretInput, { description: 'The webhook whose secret is rotated.' })
    input: RotateWebhookSecretInput,
  ): Promise<WebhookWithSecret> {
    return this.webhooks.rotateSecret(input);
  }

  @Allow(Role.ADMIN, Scope.WEBHOOKS)
  @Mutation(() => RetriedWebhookMessages, { description: 'Retries the delivery of failed messages.' })
  async retryWebhookMessages(
    @Arg('input', () => RetryWebhookMessagesInput, { description: 'The messages to retry.' })
    input: RetryWebhookMessagesInput,
  ): Promise<RetriedWebhookMessages> {
    return this.webhooks.retryMessages(input);
  }

  @FieldResolver(() => Service, {
    nullable: true,
    description: 'The service whose events the webhook receives; null for all services.',
  })
  async service(
    @Root() webhook: Webhook,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Service | null> {
    const { serviceId } = webhook;
    return serviceId === null ? null : loaders.service.load(serviceId, selectedFields(info));
  }

  @FieldResolver(() => WebhookMessageConnection, {
    description:
      'Messages of the webhook, newest first. Messages are deleted with their events after the retention period.',
  })
  async messages(
    @Root() webhook: Webhook,
    @Args(() => WebhookMessagesArgs) args: WebhookMessagesArgs,
    @Ctx() { loaders }: GraphqlContext,
    @Info() info: GraphQLResolveInfo,
  ): Promise<Page<WebhookMessage>> {
    const where = oneOf<WebhookMessage>('status', args.filter?.status);
    const query = listQuery(webhookMessageType, args, where, info);
    return loaders.webhookMessages.load('webhookId', webhook.uuid, query);
  }
}
