/**
 * Events (events.k8s.io/v1), repeated ones as a series. Recording never delays and
 * never fails what it reports on.
 */
import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import {
  isNotFound,
  type KubeClient,
  type KubeObject,
  type ObjectMeta,
  type ResourceType,
} from './kube-client.js';

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
/** Names hold 253 characters; what is put behind the name of the object needs 22 of them. */
const MAX_NAME_LENGTH = 253 - 22;

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
    if (this.backlog >= MAX_SERIES) return; // the API server is away, and a backlog without end would be a leak
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
      if (known && Date.now() - known.lastAt < SERIES_WINDOW_MS && (await this.repeat(known))) return;
      const object = await this.client.create(EventKind, this.eventOf(input, id));
      this.series.delete(id);
      this.series.set(id, { object, count: 1, lastAt: Date.now() });
      if (this.series.size > MAX_SERIES) this.series.delete(this.series.keys().next().value!);
    } catch (error) {
      this.logger.debug({ err: error, reason: input.reason }, 'an event could not be recorded');
    }
  }

  /** False when the Event is gone, deleted or run out, and has to be written anew. */
  private async repeat(known: Series): Promise<boolean> {
    known.count += 1;
    known.lastAt = Date.now();
    const { namespace, name } = known.object.metadata;
    const series = { count: known.count, lastObservedTime: microTime() };
    try {
      await this.client.patch(EventKind, namespace, name, { series });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  private eventOf(input: EventInput, id: string): KubeObject {
    const { metadata, apiVersion, kind } = input.regarding;
    const { name, namespace, uid, resourceVersion } = metadata;
    return {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: {
        namespace: namespace ?? 'default',
        name: `${clipName(name)}.${id.slice(0, 12)}.${Date.now().toString(36)}`,
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

function clipName(name: string): string {
  return name.slice(0, MAX_NAME_LENGTH).replace(/[^a-z0-9]+$/, '');
}

function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
