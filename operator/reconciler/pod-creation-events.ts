/**
 * Why the Job controller creates no pod. A Deployment has a condition for that, a Job only an
 * Event. A cluster has very many Events, so they are not watched, but listed for each Job that has
 * had no pod for some seconds.
 */
import type { Logger } from 'pino';
import { pause, systemClock } from '../runtime/clock.js';
import { EventKind } from '../runtime/events.js';
import type { KubeClient, KubeObject } from '../runtime/kube-client.js';
import { creationFailure, type PodlessJob } from './pod-creation.js';

/** Longer than the creation of a pod takes if nothing prevents it. */
const READ_AFTER_MS = 5_000;
const READ_EVERY_MS = 15_000;

/** Report on a Job without a pod. */
export interface PodCreationReport {
  /** Why no pod is created, if the controller reports a reason. */
  failure?: string;
}

interface JobEvent extends KubeObject {
  note?: string;
  eventTime?: string;
  deprecatedLastTimestamp?: string;
  series?: { lastObservedTime?: string };
}

interface Followed {
  stop: AbortController;
  report?: PodCreationReport;
}

export interface PodCreationEventsOptions {
  client: Pick<KubeClient, 'list'>;
  /** Called when a report changes, with the `owner` that was passed. */
  onNews: (owner: string) => void;
  logger: Logger;
  readAfterMs?: number;
  readEveryMs?: number;
}

export class PodCreationEvents {
  /** By owner, then by the uid of the Job. */
  private readonly followed = new Map<string, Map<string, Followed>>();

  constructor(private readonly options: PodCreationEventsOptions) {}

  /** Reads the Events of these Jobs of an owner from now on, and of no other Jobs of it. */
  follow(owner: string, jobs: readonly PodlessJob[]): void {
    const known = this.followed.get(owner) ?? new Map<string, Followed>();
    for (const [uid, { stop }] of known) {
      if (jobs.some((job) => job.uid === uid)) continue;
      stop.abort();
      known.delete(uid);
    }
    for (const job of jobs) {
      if (known.has(job.uid)) continue;
      const one: Followed = { stop: new AbortController() };
      known.set(job.uid, one);
      void this.read(owner, job, one);
    }
    if (known.size > 0) this.followed.set(owner, known);
    else this.followed.delete(owner);
  }

  /** Undefined while the pod of the Job may still be created. */
  reportOf(owner: string, uid: string): PodCreationReport | undefined {
    return this.followed.get(owner)?.get(uid)?.report;
  }

  stop(): void {
    for (const owner of [...this.followed.keys()]) this.follow(owner, []);
  }

  private async read(owner: string, job: PodlessJob, one: Followed): Promise<void> {
    const { client, onNews, logger, readAfterMs = READ_AFTER_MS, readEveryMs = READ_EVERY_MS } = this.options;
    const { signal } = one.stop;
    const { namespace, name, uid } = job;
    const fieldSelector = `regarding.uid=${uid},reason=FailedCreate`;
    await pause(systemClock, readAfterMs, signal);
    while (!signal.aborted) {
      try {
        const { items } = await client.list(EventKind, { namespace, fieldSelector }, signal);
        const failure = newestNote(items, job);
        const isNews = !one.report || one.report.failure !== failure;
        one.report = { failure };
        if (isNews && !signal.aborted) onNews(owner);
      } catch (error) {
        if (!signal.aborted)
          logger.debug({ err: error, namespace, name }, 'reading the events of a job failed');
      }
      await pause(systemClock, readEveryMs, signal);
    }
  }
}

function newestNote(events: readonly JobEvent[], { since }: PodlessJob): string | undefined {
  const newest = events
    .map((event) => ({ at: Date.parse(timeOf(event)), note: event.note }))
    .filter(({ at }) => at >= Date.parse(since))
    .toSorted((a, b) => b.at - a.at)[0];
  return newest?.note && creationFailure(newest.note);
}

function timeOf({ series, eventTime, deprecatedLastTimestamp, metadata }: JobEvent): string {
  return series?.lastObservedTime ?? eventTime ?? deprecatedLastTimestamp ?? metadata.creationTimestamp ?? '';
}
