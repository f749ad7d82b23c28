/**
 * How far the migrations that run now have come, read from the logs of their pods: a
 * report a line, as the image contract says. It is told to people and nothing follows from
 * it, so a log that can't be had is no failure.
 */
import type { Logger } from 'pino';
import { type MigrationReport, progressLineSchema } from '../../contract/image.js';
import { type Component, LABELS } from '../resources/metadata.js';
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.js';
import { pause, systemClock } from '../runtime/clock.js';
import type { KubeClient } from '../runtime/kube-client.js';
import type { PodLike } from './job-view.js';
import { MIGRATION_CONTAINER } from './migration-job.js';

/** A pod that migrates now. */
export interface Run {
  namespace: string;
  /** Name of the pod. */
  pod: string;
}

/** The pods among these whose migrations run. */
export function runsOf(pods: readonly PodLike[]): Run[] {
  return pods
    .filter(({ metadata }) => metadata.labels?.[LABELS.component] === ('migration' satisfies Component))
    .filter(({ status }) => status?.containerStatuses?.some(({ state }) => state?.running))
    .map(({ metadata }) => ({ namespace: metadata.namespace ?? '', pod: metadata.name }));
}

/** Most migrations take no longer, and are not worth a request. */
const FOLLOW_AFTER_MS = 1_500;
/** How often one run is news. */
const TELL_EVERY_MS = 2_000;
/** What a run said last comes again after a stream was cut; more than that is of no use. */
const TAIL_LINES = 20;
/** A line that is longer is no report of ours. */
const MAX_LINE = 16_384;
const backoff: BackoffPolicy = { baseMs: 1_000, maxMs: 60_000, jitter: 0.5 };

export interface ProgressOptions {
  client: Pick<KubeClient, 'log'>;
  /** Told of news, at most every two seconds for a run. `owner` as it was given. */
  onNews: (owner: string) => void;
  logger: Logger;
  /** How long a run lasts before it is followed. */
  followAfterMs?: number;
}

interface Followed {
  stop: AbortController;
  report?: MigrationReport;
  toldAt: number;
  timer?: NodeJS.Timeout;
}

export class MigrationProgress {
  /** By owner, then by pod. */
  private readonly followed = new Map<string, Map<string, Followed>>();

  constructor(private readonly options: ProgressOptions) {}

  /** From now on follows these runs of an owner, and none of its others. */
  follow(owner: string, runs: readonly Run[]): void {
    const known = this.followed.get(owner) ?? new Map<string, Followed>();
    for (const [pod, one] of known) {
      if (runs.some((run) => run.pod === pod)) continue;
      end(one);
      known.delete(pod);
    }
    for (const run of runs) {
      if (known.has(run.pod)) continue;
      const one: Followed = { stop: new AbortController(), toldAt: 0 };
      known.set(run.pod, one);
      void this.read(owner, run, one);
    }
    if (known.size > 0) this.followed.set(owner, known);
    else this.followed.delete(owner);
  }

  /** What a pod of the owner said last. */
  reportOf(owner: string, pod: string): MigrationReport | undefined {
    return this.followed.get(owner)?.get(pod)?.report;
  }

  /** Ends every stream. */
  stop(): void {
    for (const owner of [...this.followed.keys()]) this.follow(owner, []);
  }

  private async read(owner: string, { namespace, pod }: Run, one: Followed): Promise<void> {
    const { signal } = one.stop;
    const { client, logger, followAfterMs = FOLLOW_AFTER_MS } = this.options;
    await pause(systemClock, followAfterMs, signal);
    for (let failures = 0; !signal.aborted; ) {
      try {
        const query = { container: MIGRATION_CONTAINER, follow: true, tailLines: TAIL_LINES };
        const body = await client.log({ namespace, name: pod }, query, signal);
        for await (const line of linesOf(body)) {
          failures = 0;
          this.take(owner, one, line);
        }
      } catch (error) {
        if (!signal.aborted) logger.debug({ err: error, namespace, pod }, 'a log can not be followed');
      }
      // Also after an end without an error: until the pod is seen to have ended, it may continue.
      failures += 1;
      await pause(systemClock, backoffMs(failures, backoff), signal);
    }
  }

  private take(owner: string, one: Followed, line: string): void {
    const report = reportIn(line);
    if (!report) return;
    one.report = report;
    if (one.timer) return;
    const waitMs = Math.max(0, one.toldAt + TELL_EVERY_MS - performance.now());
    one.timer = setTimeout(() => {
      one.timer = undefined;
      one.toldAt = performance.now();
      this.options.onNews(owner);
    }, waitMs);
  }
}

function end(one: Followed): void {
  clearTimeout(one.timer);
  one.stop.abort();
}

/** Lines of a stream; one that is too long is left out. */
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
