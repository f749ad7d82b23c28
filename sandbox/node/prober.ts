/** Probes of one container: startup first, then readiness and liveness, with the kubelet's thresholds. */
import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { request } from 'undici';
import type { Container, Probe } from './types.js';

export interface ProbeTarget {
  container: Container;
  /** Local port of a container port, by number or name. */
  localPort(port: number | string): number | undefined;
  env: NodeJS.ProcessEnv;
}

export interface ProbeListener {
  started(): void;
  ready(ready: boolean): void;
  /** The container must be restarted. */
  unhealthy(message: string): void;
}

/** Runs the probes until the signal. */
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

/** One attempt: undefined when it succeeds, or why it did not. */
async function once(target: ProbeTarget, settings: Probe): Promise<string | undefined> {
  const timeoutMs = (settings.timeoutSeconds ?? 1) * 1000;
  try {
    if (settings.httpGet) return await httpGet(target, settings.httpGet, timeoutMs);
    if (settings.tcpSocket) return await tcp(target.localPort(settings.tcpSocket.port), timeoutMs);
    if (settings.exec) {
      const [command, ...args] = settings.exec.command;
      await promisify(execFile)(command!, args, { timeout: timeoutMs, env: target.env });
    }
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

async function httpGet(
  target: ProbeTarget,
  { path = '/', port }: { path?: string; port: number | string },
  timeoutMs: number,
) {
  const local = target.localPort(port);
  if (!local) return `no port ${port}`;
  const signal = AbortSignal.timeout(timeoutMs);
  const { statusCode, body } = await request(`http://127.0.0.1:${local}${path}`, { signal });
  await body.dump();
  return statusCode >= 200 && statusCode < 400 ? undefined : `HTTP status ${statusCode}`;
}

function tcp(port: number | undefined, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port: port ?? 0, host: '127.0.0.1', timeout: timeoutMs });
    const end = (result: string | undefined) => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => end(undefined));
    socket.once('timeout', () => end('timed out'));
    socket.once('error', (error) => end(error.message));
  });
}

function periodMs(settings: Probe): number {
  return (settings.periodSeconds ?? 10) * 1000;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
