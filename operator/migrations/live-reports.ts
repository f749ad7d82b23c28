/**
 * Progress of running migrations, read from the logs of their pods: one report per line, as defined by the image
 * contract. It is for display only, so a log that can't be read is not a failure.
 */
import type { Logger } from 'pino';
import { type MigrationReport, progressLineSchema } from '../../contract/image.js';
import { type Component, LABELS } from '../resources/metadata.js';
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import { pause, systemClock } from '../runtime/clock.js';
import type { KubeClient } from '../runtime/kube-client.js';
import type { PodLike } from './job-view.js';
import { MIGRATION_CONTAINER } from './migration-job.js';

/** A pod that runs migrations. */
export interface Run {
  namespace: string;
  /** Name of the pod. */
  pod: string;
}

/** The pods whose migrations are running. */
export function runsOf(pods: readonly PodLike[]): Run[] {
  return pods
    .filter(({ metadata }) => metadata.labels?.[LABELS.component] === ('migration' satisfies Component))
    .filter(({ status }) => status?.containerStatuses?.some(({ state }) => state?.running))
    .map(({ metadata }) => ({ namespace: metadata.namespace ?? '', pod: metadata.name }));
}

/** Most migrations finish earlier and need no request. */
const FOLLOW_AFTER_MS = 1_500;
/** Minimum interval between two notifications per run. */
const NOTIFY_EVERY_MS = 2_000;
/** Lines that are read again after an interrupted stream: only the last report matters. */
const TAIL_LINES = 20;
/** Maximum length of a report in characters. */
const MAX_LINE = 16_384;
const backoff: BackoffPolicy = { baseMs: 1_000, maxMs: 60_000, jitter: 0.5 };

export interface ProgressOptions {
  client: Pick<KubeClient, 'log'>;
  /** Called with the owner after a new report, at most every two seconds per run. */
  onNews: (owner: string) => void;
  logger: Logger;
  /** Age of a run from which its log is followed. In milliseconds. */
  followAfterMs?: number;
}

interface Followed {
  abort: AbortController;
  report?: MigrationReport;
  notifiedAt: number;
  timer?: NodeJS.Timeout;
}

export class MigrationProgress {
  /** By owner, then by pod. */
  private readonly followed = new Map<string, Map<string, Followed>>();

  constructor(private readonly options: ProgressOptions) {}

  /** Follows these runs of an owner from now on, and stops following its other runs. */
  follow(owner: string, runs: readonly Run[]): void {
    const known = this.followed.get(owner) ?? new Map<string, Followed>();
    for (const [pod, one] of known) {
      if (runs.some((run) => run.pod === pod)) continue;
      stopFollowing(one);
      known.delete(pod);
    }
    for (const run of runs) {
      if (known.has(run.pod)) continue;
      const one: Followed = { abort: new AbortController(), notifiedAt: 0 };
      known.set(run.pod, one);
      void this.read(owner, run, one);
    }
    if (known.size > 0) this.followed.set(owner, known);
    else this.followed.delete(owner);
  }

  /** Last report of a pod. */
  reportOf(owner: string, pod: string): MigrationReport | undefined {
    return this.followed.get(owner)?.get(pod)?.report;
  }

  /** Closes all streams. */
  stop(): void {
    for (const owner of [...this.followed.keys()]) this.follow(owner, []);
  }

  private async read(owner: string, { namespace, pod }: Run, one: Followed): Promise<void> {
    const { signal } = one.abort;
    const { client, logger, followAfterMs = FOLLOW_AFTER_MS } = this.options;
    await pause(systemClock, followAfterMs, signal);
    for (let failures = 0; !signal.aborted; ) {
      try {
        const query = { container: MIGRATION_CONTAINER, follow: true, tailLines: TAIL_LINES };
        const body = await client.log({ namespace, name: pod }, query, signal);
        for await (const line of linesOf(body)) {
          failures = 0;
          this.readLine(owner, one, line);
        }
      } catch (error) {
        if (!signal.aborted) logger.debug({ err: error, namespace, pod }, 'following a pod log failed');
      }
      // Also after a stream that ended without an error: the pod may still be running.
      failures += 1;
      await pause(systemClock, backoffMs(failures, backoff), signal);
    }
  }

  private readLine(owner: string, one: Followed, line: string): void {
    const report = reportIn(line);
    if (!report) return;
    one.report = report;
    if (one.timer) return;
    const waitMs = Math.max(0, one.notifiedAt + NOTIFY_EVERY_MS - performance.now());
    one.timer = setTimeout(() => {
      one.timer = undefined;
      one.notifiedAt = performance.now();
      this.options.onNews(owner);
    }, waitMs);
  }
}

function stopFollowing(one: Followed): void {
  clearTimeout(one.timer);
  one.abort.abort();
}

/** Lines of a stream, without those that are too long. */
async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  let tooLong = false;
  for await (const chunk of body) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) {
      if (!tooLong) yield line;
      tooLong = false;
    }
    if (rest.length <= MAX_LINE) continue;
    rest = '';
    tooLong = true;
  }
}

function reportIn(line: string): MigrationReport | undefined {
  if (!line.startsWith('{"migration":')) return undefined;
  try {
    return progressLineSchema.parse(JSON.parse(line)).migration;
  } catch {
    return undefined;
  }
}
