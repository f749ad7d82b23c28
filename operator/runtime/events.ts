/**
 * Records Events (events.k8s.io/v1); repeated ones become a series. Recording never delays or fails its
 * caller.
 */
import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { isNotFound, type KubeClient } from './kube-client.js';
import type { KubeObject, ObjectMeta, ResourceType } from './kube-types.js';
import { microTime } from './lease.js';
import { TokenBucket } from './rate-limiter.js';

export const EventKind: ResourceType = {
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
  /** Reason in UpperCamelCase. */
  reason: string;
  /** Action in UpperCamelCase. */
  action: string;
  /** Note for users, truncated to 1,024 bytes, the limit of the API. */
  note: string;
}

interface Series {
  object: KubeObject;
  count: number;
  lastSeen: string;
  lastSeenAt: number;
  written: number;
  writtenAt: number;
}

/** client-go aggregates repeated events within six minutes. */
const SERIES_WINDOW_MS = 6 * 60_000;
/** A series is written after 2, 4, 8 ... repeats, and after this time since the last write. */
const SERIES_REFRESH_MS = 60_000;
const MAX_SERIES = 2_000;
const MAX_BACKLOG = 2_000;
/** Rate limit of new events per object: a burst of 25, as in client-go, then one per 10 s. */
const OBJECT_BURST = 25;
const OBJECT_PER_SECOND = 0.1;
const MAX_NOTE_BYTES = 1_024;
/** Maximum length of a reporter name. */
const MAX_INSTANCE = 128;
/** Names have at most 253 characters; the suffix needs 22 of them. */
const MAX_NAME_LENGTH = 253 - 22;

export class EventRecorder {
  /** By identity, oldest first. */
  private readonly series = new Map<string, Series>();
  /** By object, least recently used first. */
  private readonly limiters = new Map<string, TokenBucket>();
  private tail: Promise<void> = Promise.resolve();
  private backlog = 0;

  constructor(
    private readonly client: KubeClient,
    private readonly controller: string,
    private readonly instance: string,
    private readonly logger: Logger,
  ) {}

  /** Queues the event and returns immediately. */
  record(input: EventInput): void {
    // The API server is unavailable or slow: drops events to limit memory.
    if (this.backlog >= MAX_BACKLOG) return;
    this.enqueue(() => this.write(input), input.reason);
  }

  /** Resolves when everything recorded so far was written or aborted. */
  async flush(): Promise<void> {
    await this.tail;
    for (const known of this.series.values()) {
      if (known.count > known.written) this.enqueue(() => this.writeSeries(known), 'series');
    }
    await this.tail;
  }

  private enqueue(write: () => Promise<void>, reason: string): void {
    this.backlog += 1;
    this.tail = this.tail
      .then(write)
      .catch((error: unknown) => this.logger.debug({ err: error, reason }, 'recording an event failed'))
      .finally(() => {
        this.backlog -= 1;
      });
  }

  private async write(input: EventInput): Promise<void> {
    const id = identityOf(input);
    const known = this.series.get(id);
    if (known && Date.now() - known.lastSeenAt < SERIES_WINDOW_MS && (await this.repeat(id, known))) return;
    if (!this.limiterOf(input).tryTake()) {
      this.logger.debug({ reason: input.reason }, 'event dropped by the rate limit of its object');
      return;
    }
    const object = await this.client.create(EventKind, this.eventOf(input, id));
    const now = Date.now();
    this.series.delete(id);
    this.series.set(id, { object, count: 1, lastSeen: '', lastSeenAt: now, written: 1, writtenAt: now });
    dropOldest(this.series);
  }

  /** Counts a repeat. Returns false if the Event was deleted and must be created again. */
  private async repeat(id: string, known: Series): Promise<boolean> {
    known.count += 1;
    known.lastSeenAt = Date.now();
    known.lastSeen = microTime();
    const isDue = known.count >= 2 * known.written || known.lastSeenAt - known.writtenAt > SERIES_REFRESH_MS;
    if (!isDue) return true;
    try {
      await this.writeSeries(known);
      return true;
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.series.delete(id);
      return false;
    }
  }

  private async writeSeries(known: Series): Promise<void> {
    const { namespace, name } = known.object.metadata;
    const { count, lastSeen: lastObservedTime } = known;
    known.written = count;
    known.writtenAt = Date.now();
    await this.client.patch(EventKind, namespace, name, { series: { count, lastObservedTime } });
  }

  private limiterOf({ regarding: { metadata } }: EventInput): TokenBucket {
    const key = metadata.uid ?? `${metadata.namespace}/${metadata.name}`;
    const limiter = this.limiters.get(key) ?? new TokenBucket(OBJECT_PER_SECOND, OBJECT_BURST);
    this.limiters.delete(key);
    this.limiters.set(key, limiter);
    dropOldest(this.limiters);
    return limiter;
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
      reportingInstance: this.instance.slice(0, MAX_INSTANCE),
    };
  }
}

function dropOldest(map: Map<string, unknown>): void {
  if (map.size > MAX_SERIES) map.delete(map.keys().next().value!);
}

function identityOf({ regarding, type, reason, action, note }: EventInput): string {
  return createHash('sha256')
    .update(JSON.stringify([regarding.metadata.uid, type, reason, action, note]))
    .digest('hex');
}

function clipName(name: string): string {
  return name.slice(0, MAX_NAME_LENGTH).replace(/[^a-z0-9]+$/, '');
}

function clip(note: string): string {
  const bytes = Buffer.from(note);
  if (bytes.length <= MAX_NOTE_BYTES) return note;
  // A cut within a multi-byte character decodes to U+FFFD.
  const kept = bytes.subarray(0, MAX_NOTE_BYTES - 8).toString('utf8');
  return `${kept.replace(/\uFFFD+$/, '')}…`;
}
