/** Waits until a weight is in effect, and prints the message of the Ready condition meanwhile. */
import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import { type ClusterAccess, getPcfApi } from '../cluster.js';
import { CliError } from '../output.js';
import { watchPcfApi } from './watch.js';

/** Throws a {@link CliError} after `timeoutSeconds`. */
export async function waitForWeight(
  access: ClusterAccess,
  name: string,
  weight: number,
  timeoutSeconds: number,
): Promise<void> {
  const stop = new AbortController();
  const late = AbortSignal.timeout(timeoutSeconds * 1000);
  let said = '';
  let reached = false;
  const check = async () => {
    const api = await getPcfApi(access, name);
    reached = isInEffect(api, weight);
    const message = api.status?.conditions?.find(({ type }) => type === 'Ready')?.message ?? '';
    if (message !== said) console.error(message);
    said = message;
    if (reached) stop.abort();
  };
  await watchPcfApi(access, name, check, AbortSignal.any([stop.signal, late]));
  if (!reached) throw new CliError(`weight ${weight} is not in effect after ${timeoutSeconds} s: ${said}`);
}

/** Weight 100 is in effect after the promotion. */
function isInEffect({ metadata, status, spec }: PcfApi, weight: number): boolean {
  if (status?.observedGeneration !== metadata.generation || spec.canaryWeight !== weight) return false;
  if (!status.updateRevision) return true;
  return weight < 100 && status.traffic?.effectiveWeight === weight && status.traffic.verified;
}
