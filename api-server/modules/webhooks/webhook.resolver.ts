import type { GraphQLResolveInfo } from 'graphql';
import { Arg, Args, Ctx, FieldResolver, Info, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { DataSource } from 'typeorm';
import { Allow } from '../../platform/auth/access.js';
import { Role, Scope } from '../../platform/auth/roles.js';
import { equals, oneOf } from '../../platform/database/conditions.js';
import type { Page } from '../../platform/graphql/relay/connection.js';
import { uuidOf } from '../../platform/graphql/relay/global-id.js';
import { listQuery, rootPage } from '../../platform/graphql/relay/list.js';
import { selectedFields } from '../../platform/graphql/relay/selection.js';
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
  @Query(() => WebhookConnection, { name: 'webhooks', description: 'Webhooks, oldest first.' })
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
  @Mutation(() => WebhookWithSecret, { description: 'The answer has the secret; it is shown this once.' })
  async createWebhook(
    @Arg('input', () => CreateWebhookInput) input: CreateWebhookInput,
  ): Promise<WebhookWithSecret> {
    return this.webhooks.create(input);
  }

  @Allow(Role.ADMIN, Scope.WEBHOOKS)
  @Mutation(() => Webhook)
  async updateWebhook(@Arg('input', () => UpdateWebhookInput) input: UpdateWebhookInput): Promise<Webhook> {
    return this.webhooks.update(input);
  }

  @Allow(Role.ADMIN, Scope.WEBHOOKS)
  @Mutation(() => DeletedWebhook, { description: 'Deletes a webhook and what it was still to be told.' })
  async deleteWebhook(
    @Arg('input', () => DeleteWebhookInput) input: DeleteWebhookInput,
  ): Promise<DeletedWebhook> {
    await this.webhooks.delete(input);
    return { id: input.id };
  }

  @Allow(Role.ADMIN, Scope.WEBHOOKS)
  @Mutation(() => WebhookWithSecret, {
    description: 'Makes a new secret. For two days messages are signed with the old one, too.',
  })
  async rotateWebhookSecret(
    @Arg('input', () => RotateWebhookSecretInput) input: RotateWebhookSecretInput,
  ): Promise<WebhookWithSecret> {
    return this.webhooks.rotateSecret(input);
  }

  @Allow(Role.ADMIN, Scope.WEBHOOKS)
  @Mutation(() => RetriedWebhookMessages, { description: 'Sends messages that were given up once more.' })
  async retryWebhookMessages(
    @Arg('input', () => RetryWebhookMessagesInput) input: RetryWebhookMessagesInput,
  ): Promise<RetriedWebhookMessages> {
    return this.webhooks.retryMessages(input);
  }

  @FieldResolver(() => Service, {
    nullable: true,
    description: 'Told only of what happens to this service, if set.',
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
    description: 'What it was told and is to be told, newest first, as long as events are kept.',
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
