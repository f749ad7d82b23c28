/** The requests of a resource cache on a real API server, and its timing in tests. */
import { pino } from 'pino';
import { KubeClient } from '../../../operator/runtime/kube-client.js';
import type { CacheTiming } from '../../../operator/runtime/resource-cache.js';

export const silent = pino({ level: 'silent' });
/** Records the read requests that a client sends from now on: `list`, `page`, `watch` or `watchList`. */
export function requestsOf(client: KubeClient): string[] {
  const sent: string[] = [];
  const { watch, list } = client;
  client.watch = (type, options, signal) => {
    sent.push(options.sendInitialEvents ? 'watchList' : 'watch');
    return watch.call(client, type, options, signal);
  };
  client.list = (type, options, signal) => {
    sent.push(options?.limit ? 'page' : 'list');
    return list.call(client, type, options, signal);
  };
  return sent;
}

export const timing: CacheTiming = {
  silenceMs: 2_000,
  absentPollMs: 200,
  backoff: { baseMs: 50, maxMs: 500, jitter: 0.5 },
};
