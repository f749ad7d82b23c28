/**
 * Events (events.k8s.io/v1), repeated ones as a series. Recording never delays and
 * never fails what it reports on.
 */
import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import type { KubeClient, KubeObject, ObjectMeta, ResourceType } from './kube-client.js';

const EventKind: ResourceType = {
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
};

export interface EventInput {
  regarding: {
    apiVersion: string;
    kind: string;
    metadata: Pick<ObjectMeta, 'name' | 'namespace' | 'uid' | 'resourceVersion'>;
  };
  type: 'Normal' | 'Warning';
  /** One CamelCase word. */
  reason: string;
  /** What was being done, in one CamelCase word. */
  action: string;
  /** For people; cut off at 1,024 bytes, the API's limit. */
  note: string;
}

interface Series {
  object: KubeObject;
  count: number;
  lastAt: number;
}

/** client-go aggregates what repeats within six minutes. */
const SERIES_WINDOW_MS = 6 * 60_000;
const MAX_SERIES = 2_000;
const MAX_NOTE_BYTES = 1_024;

export class EventRecorder {
  private readonly series = new Map<string, Series>();
  private tail: Promise<void> = Promise.resolve();
  private backlog = 0;

  constructor(
    private readonly client: KubeClient,
    private readonly controller: string,
    private readonly instance: string,
    private readonly logger: Logger,
  ) {}

  /** Queues the event and returns at once. */
  record(input: EventInput): void {
    if (this.backlog >= MAX_SERIES) return; // the API server is away: old news is dropped first
    this.backlog += 1;
    this.tail = this.tail
      .then(() => this.write(input))
      .finally(() => {
        this.backlog -= 1;
      });
  }

  /** Resolves when everything recorded so far was written or given up. */
  flush(): Promise<void> {
    return this.tail;
  }

  private async write(input: EventInput): Promise<void> {
    try {
      const id = identityOf(input);
      const known = this.series.get(id);
      if (known && Date.now() - known.lastAt < SERIES_WINDOW_MS) return await this.repeat(known);
      const object = await this.client.create(EventKind, this.eventOf(input, id));
      this.series.delete(id);
      this.series.set(id, { object, count: 1, lastAt: Date.now() });
      if (this.series.size > MAX_SERIES) this.series.delete(this.series.keys().next().value!);
    } catch (error) {
      this.logger.debug({ err: error, reason: input.reason }, 'an event could not be recorded');
    }
  }

  private async repeat(known: Series): Promise<void> {
    known.count += 1;
    known.lastAt = Date.now();
    const { namespace, name } = known.object.metadata;
    const series = { count: known.count, lastObservedTime: microTime() };
    await this.client.patch(EventKind, namespace, name, { series });
  }

  private eventOf(input: EventInput, id: string): KubeObject {
    const { metadata, apiVersion, kind } = input.regarding;
    const { name, namespace, uid, resourceVersion } = metadata;
    return {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: {
        namespace: namespace ?? 'default',
        name: `${name}.${id.slice(0, 12)}.${Date.now().toString(36)}`,
      },
      eventTime: microTime(),
      type: input.type,
      reason: input.reason,
      action: input.action,
      note: clip(input.note),
      regarding: { apiVersion, kind, name, namespace, uid, resourceVersion },
      reportingController: this.controller,
      reportingInstance: this.instance,
    };
  }
}

function identityOf({ regarding, type, reason, action, note }: EventInput): string {
  return createHash('sha256')
    .update(JSON.stringify([regarding.metadata.uid, type, reason, action, note]))
    .digest('hex');
}

function clip(note: string): string {
  const bytes = Buffer.from(note);
  if (bytes.length <= MAX_NOTE_BYTES) return note;
  return `${bytes
    .subarray(0, MAX_NOTE_BYTES - 8)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')}…`;
}

function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
