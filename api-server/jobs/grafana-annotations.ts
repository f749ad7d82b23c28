/** Annotates each deployment in Grafana, from its start to its finish. */

import { inSpan, traceHeaders } from '../../contract/tracing/tracing.js';
import type { Settings } from '../config/schema.js';
import type { Secret } from '../config/secret.js';
import { HopelessJobError, type JobContext, type JobDefinition, type JobOptions } from './job.js';

/** A deployment with the fields of its annotation. */
export interface AnnotatedDeployment {
  uuid: string;
  service: string;
  environment: string;
  version: string;
  status: string;
  startedAt: Date;
  finishedAt: Date | null;
  updatedAt: Date;
}

export interface AnnotationParts {
  url: NonNullable<Settings['grafana']['url']>;
  token: Secret | undefined;
  /** Deployments that changed at or after a time, oldest change first; at most a few hundred. */
  changedSince(since: Date): Promise<Pick<AnnotatedDeployment, 'uuid' | 'updatedAt'>[]>;
  /** Current state of a deployment. */
  load(uuid: string): Promise<AnnotatedDeployment | undefined>;
  enqueue(name: string, data: object, options: JobOptions): Promise<void>;
}

const SCAN = 'grafana-scan';
/**
 * Jobs contain only the ID of the deployment. Jobs of the queue `grafana-annotation` of earlier
 * versions contained its state.
 */
const ANNOTATE = 'grafana-deployment';
const SCAN_MS = 5_000;
/**
 * Time range of each scan. Changes that a scan missed while Redis or the worker was unavailable are
 * found by a later one.
 */
const LOOK_BACK_MS = 3_600_000;

interface Annotation {
  id: number;
}

/** Two kinds of jobs: one scans for changed deployments, the other annotates one deployment. */
export function annotationJobs(parts: AnnotationParts): [JobDefinition, JobDefinition<{ uuid: string }>] {
  const scan: JobDefinition = {
    name: SCAN,
    every: { ms: SCAN_MS, data: {} },
    async handle() {
      for (const { uuid, updatedAt } of await parts.changedSince(new Date(Date.now() - LOOK_BACK_MS))) {
        await parts.enqueue(ANNOTATE, { uuid }, { id: `${uuid}-${updatedAt.getTime()}` });
      }
    },
  };
  const annotate: JobDefinition<{ uuid: string }> = {
    name: ANNOTATE,
    handle: ({ uuid }, context) => annotateAsItIs(parts, uuid, context),
  };
  return [scan, annotate];
}

/**
 * Writes the current state of the deployment, and checks afterwards whether it has changed: of two
 * concurrent jobs, the one that writes last detects that its state was stale.
 */
async function annotateAsItIs(parts: AnnotationParts, uuid: string, { signal }: JobContext): Promise<void> {
  let written: number | undefined;
  for (;;) {
    signal.throwIfAborted();
    const deployment = await parts.load(uuid);
    if (!deployment || deployment.updatedAt.getTime() === written) return;
    await annotateOnce(parts, deployment, signal);
    written = deployment.updatedAt.getTime();
  }
}

/** Searches for an existing annotation first, so that a retry updates it instead of adding another one. */
async function annotateOnce(
  parts: AnnotationParts,
  { uuid, service, environment, version, status, startedAt, finishedAt }: AnnotatedDeployment,
  signal: AbortSignal,
): Promise<void> {
  const own = `pcf-deployment:${uuid}`;
  const found = await ask<Annotation[]>(parts, 'GET', `api/annotations?type=annotation&tags=${own}`, signal);
  const annotation = {
    time: startedAt.getTime(),
    ...(finishedAt && { timeEnd: finishedAt.getTime() }),
    tags: [
      ...['pcf', 'deployment', environment, own],
      ...[`service:${service}`, `environment:${environment}`, `status:${status.toLowerCase()}`],
    ],
    text: `${service} ${version} in ${environment}: ${status.toLowerCase().replaceAll('_', ' ')}`,
  };
  const [existing] = found;
  if (existing) await ask(parts, 'PATCH', `api/annotations/${existing.id}`, signal, annotation);
  else await ask(parts, 'POST', 'api/annotations', signal, annotation);
}

function ask<T>(
  parts: AnnotationParts,
  method: string,
  path: string,
  signal: AbortSignal,
  body?: object,
): Promise<T> {
  const attributes = { 'http.request.method': method, 'server.address': new URL(parts.url).hostname };
  return inSpan(`${method} grafana`, { kind: 'client', attributes }, () =>
    request<T>(parts, method, path, signal, body),
  );
}

async function request<T>(
  { url, token }: AnnotationParts,
  method: string,
  path: string,
  signal: AbortSignal,
  body?: object,
): Promise<T> {
  const response = await fetch(new URL(path, url.endsWith('/') ? url : `${url}/`), {
    method,
    signal,
    redirect: 'error', // a redirect could send the token to another host
    headers: {
      'content-type': 'application/json',
      ...traceHeaders(),
      ...(token && { authorization: `Bearer ${token.value}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (response.ok) return (await response.json()) as T;
  await response.body?.cancel();
  const message = `Grafana returned ${response.status} for ${method} ${path.split('?')[0]}`;
  const isOurFault =
    response.status >= 400 && response.status < 500 && ![401, 403, 408, 429].includes(response.status);
  throw isOurFault ? new HopelessJobError(message) : new Error(message);
}
