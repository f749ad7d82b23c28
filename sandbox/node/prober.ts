/** Probes of a container: startup first, then readiness and liveness, with the thresholds of the kubelet. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ActionTarget, act } from './actions.js';
import type { Container, Probe } from './types.js';

export interface ProbeTarget extends ActionTarget {
  container: Container;
}

export interface ProbeListener {
  started(): void;
  ready(ready: boolean): void;
  /** The container must be restarted. */
  unhealthy(message: string): void;
}

/** Runs the probes until the signal fires. */
export async function probe(
  target: ProbeTarget,
  listener: ProbeListener,
  signal: AbortSignal,
): Promise<void> {
  const { startupProbe, readinessProbe, livenessProbe } = target.container;
  if (startupProbe) {
    const failure = await untilSettled(target, startupProbe, signal);
    if (signal.aborted) return;
    if (failure) return listener.unhealthy(`startup probe failed: ${failure}`);
  }
  listener.started();
  if (!readinessProbe) listener.ready(true);
  await Promise.all([
    readinessProbe && watchReadiness(target, readinessProbe, listener, signal),
    livenessProbe && watchLiveness(target, livenessProbe, listener, signal),
  ]);
}

async function untilSettled(
  target: ProbeTarget,
  settings: Probe,
  signal: AbortSignal,
): Promise<string | undefined> {
  let failure: string | undefined;
  await pause((settings.initialDelaySeconds ?? 0) * 1000, signal);
  for (let failures = 0; failures < (settings.failureThreshold ?? 3) && !signal.aborted; failures++) {
    failure = await once(target, settings);
    if (!failure) return undefined;
    await pause(periodMs(settings), signal);
  }
  return failure;
}

async function watchReadiness(
  target: ProbeTarget,
  settings: Probe,
  listener: ProbeListener,
  signal: AbortSignal,
) {
  let successes = 0;
  let failures = 0;
  await pause((settings.initialDelaySeconds ?? 0) * 1000, signal);
  while (!signal.aborted) {
    const failure = await once(target, settings);
    if (signal.aborted) return;
    successes = failure ? 0 : successes + 1;
    failures = failure ? failures + 1 : 0;
    if (successes >= (settings.successThreshold ?? 1)) listener.ready(true);
    if (failures >= (settings.failureThreshold ?? 3)) listener.ready(false);
    await pause(periodMs(settings), signal);
  }
}

async function watchLiveness(
  target: ProbeTarget,
  settings: Probe,
  listener: ProbeListener,
  signal: AbortSignal,
) {
  let failures = 0;
  await pause((settings.initialDelaySeconds ?? 0) * 1000, signal);
  while (!signal.aborted) {
    const failure = await once(target, settings);
    failures = failure ? failures + 1 : 0;
    if (failures >= (settings.failureThreshold ?? 3))
      return listener.unhealthy(`liveness probe failed: ${failure}`);
    await pause(periodMs(settings), signal);
  }
}

/** A single probe: undefined if it succeeded, otherwise the cause. */
async function once(target: ProbeTarget, settings: Probe): Promise<string | undefined> {
  try {
    await act(target, settings, (settings.timeoutSeconds ?? 1) * 1000);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function periodMs(settings: Probe): number {
  return (settings.periodSeconds ?? 10) * 1000;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
