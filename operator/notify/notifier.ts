/**
 * Sends notifications about deliveries. It never blocks, delays or fails a delivery: {@link Notifier.notify}
 * adds events to a bounded queue and returns. Each destination receives its events in order; undeliverable
 * ones are dropped, counted, and reported by an Event.
 */
import type { Logger } from 'pino';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { NotificationsSpec } from '../api/v1alpha1/spec/notifications.js';
import type { EventInput } from '../runtime/events.js';
import type { SecretReader } from '../runtime/outgoing/secrets.js';
import { LinkKeysError, type LinkSource } from './approval-links.js';
import { type Destination, destinationsOf } from './destination.js';
import { type DeliveryEvent, idempotencyKey } from './event.js';
import { MessageQueue, type QueueOptions } from './queue.js';

export interface NotifierOptions extends QueueOptions {
  secrets: SecretReader;
  /** Undefined if this operator serves no approval links. */
  links?: LinkSource;
  events: { record(input: EventInput): void };
  logger: Logger;
}

/** Number of remembered event keys. A delivery has few events. */
const MAX_REMEMBERED = 2_000;

export class Notifier {
  private readonly told = new Set<string>();
  private readonly queue: MessageQueue;

  constructor(private readonly options: NotifierOptions) {
    this.queue = new MessageQueue(options);
  }

  /** Queues the event for its destinations. Events that were already sent are ignored. Never throws. */
  notify(api: PcfApi, spec: NotificationsSpec | undefined, event: DeliveryEvent): void {
    if (!spec || this.queue.isStopping) return;
    const key = idempotencyKey(api, event);
    if (this.told.has(key)) return;
    this.remember(key);
    const { secrets } = this.options;
    for (const destination of destinationsOf(api, spec, event, secrets, this.links()))
      this.enqueue(api, event, destination);
  }

  /** Resolves when the queue is empty. */
  flush(): Promise<void> {
    return this.queue.flush();
  }

  /** Rejects further events and drops queued ones: this process lost leadership, or is shutting down. */
  stop(): void {
    this.queue.stop();
  }

  private enqueue(api: PcfApi, event: DeliveryEvent, destination: Destination): void {
    const { kind, label } = destination;
    this.queue.put({
      line: `${api.metadata.uid} ${kind} ${label}`,
      kind,
      send: (signal) => destination.send(event, signal),
      dropped: (why, isStopping) => this.dropped(api, event, label, why, isStopping),
    });
  }

  /** Without usable keys a notification is sent without links: a retry cannot help, and would delay later ones. */
  private links(): LinkSource | undefined {
    const { links } = this.options;
    return (
      links && {
        linksFor: async (api, event, webhook, signal) =>
          links.linksFor(api, event, webhook, signal).catch((error: unknown) => {
            if (!(error instanceof LinkKeysError)) throw error;
            this.omittedLinks(api, event, webhook, error.message);
            return undefined;
          }),
      }
    );
  }

  private omittedLinks(api: PcfApi, event: DeliveryEvent, webhook: string, why: string): void {
    const { namespace, name } = api.metadata;
    const { logger, events } = this.options;
    logger.warn({ namespace, name, event: event.type, webhook, why }, 'approval links omitted');
    events.record({
      regarding: api,
      type: 'Warning',
      reason: 'ApprovalLinksOmitted',
      action: 'Notify',
      note: `notification ${event.type} of ${event.revision} to webhook ${webhook} was sent without approval links: ${why}`,
    });
  }

  private dropped(
    api: PcfApi,
    event: DeliveryEvent,
    destination: string,
    why: string,
    isStopping: boolean,
  ): void {
    const { namespace, name } = api.metadata;
    const { logger, events } = this.options;
    logger.warn({ namespace, name, event: event.type, destination, why }, 'notification dropped');
    if (isStopping) return;
    events.record({
      regarding: api,
      type: 'Warning',
      reason: 'NotificationDropped',
      action: 'Notify',
      note: `notification ${event.type} of ${event.revision} to ${destination} was dropped: ${why}`,
    });
  }

  private remember(key: string): void {
    this.told.add(key);
    if (this.told.size > MAX_REMEMBERED) this.told.delete(this.told.values().next().value!);
  }
}
