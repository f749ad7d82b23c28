/** Waits for a state of a PcfApi, and prints its progress. Needs no permissions but get, list and watch of PcfApis. */
import { pino } from 'pino';
import type { PcfApi } from '../operator/api/v1alpha1/pcfapi.js';
import { PcfApiKind } from '../operator/resources/kinds.js';
import { ResourceEventType } from '../operator/runtime/event-types.js';
import type { KubeObject } from '../operator/runtime/kube-types.js';
import { ResourceCache } from '../operator/runtime/resource-cache.js';
import type { ClusterAccess } from './cluster.js';
import { CliError } from './output.js';

export interface Progress {
  result: 'Pending' | 'Reached' | 'Failed';
  message: string;
}

export interface Wait {
  /** The PcfApi as it was read or written before: a list from the cache of an API server can be older. */
  known: KubeObject;
  progressOf: (api: PcfApi) => Progress;
  /** What is missing after the timeout, for the error: "weight 10 is not in effect". */
  unmet: string;
  timeoutSeconds: number;
}

/** Prints each message to stderr. Throws a {@link CliError} on failure and after the timeout. */
export async function waitFor(
  { client, namespace }: ClusterAccess,
  name: string,
  { known, progressOf, unmet, timeoutSeconds }: Wait,
): Promise<void> {
  const fieldSelector = `metadata.name=${name}`;
  // The cache retries a forbidden request without limit.
  await client.list(PcfApiKind, { namespace, fieldSelector });
  const options = { namespaces: [namespace], fieldSelector };
  const cache = new ResourceCache(PcfApiKind, client, pino({ level: 'silent' }), options);
  const stop = new AbortController();
  let progress = pending('no status was received');
  cache.on(({ type, object }) => {
    const isDeleted = type === ResourceEventType.Deleted;
    const next = isDeleted ? failed('the PcfApi was deleted') : progressOf(object as unknown as PcfApi);
    const isNew = next.message !== '' && next.message !== progress.message;
    if (next.result === 'Pending' && isNew) console.error(next.message);
    progress = next;
    if (next.result !== 'Pending') stop.abort();
  });
  cache.noteWrite(known);
  await cache.run(AbortSignal.any([stop.signal, AbortSignal.timeout(timeoutSeconds * 1000)]));
  if (progress.result === 'Failed') throw new CliError(progress.message);
  if (progress.result === 'Pending')
    throw new CliError(`${unmet} after ${timeoutSeconds} s: ${progress.message}`);
}

export function failed(message: string): Progress {
  return { result: 'Failed', message };
}

export function pending(message: string): Progress {
  return { result: 'Pending', message };
}

export function isTrue({ status }: PcfApi, condition: string): boolean {
  return status?.conditions?.some(({ type, status }) => type === condition && status === 'True') ?? false;
}

/** The message of the Ready condition describes the progress. */
export function readyMessage({ status }: PcfApi): string {
  return status?.conditions?.find(({ type }) => type === 'Ready')?.message ?? '';
}
