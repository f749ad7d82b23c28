/** Marks each deployment in Grafana, from when it started to when it ended. */
import type { Settings } from '../../config/schema.js';
import type { Secret } from '../secrets/secret.js';
import { HopelessJobError, type JobContext, type JobDefinition } from './job.js';

/** A deployment as it is shown. */
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
  /** Deployments that changed at or after a time, the longest ago first; no more than a few hundred. */
  changedSince(since: Date): Promise<AnnotatedDeployment[]>;
  enqueue(name: string, data: object, id: string): Promise<void>;
}

const SCAN = 'grafana-scan';
const ANNOTATE = 'grafana-annotation';
const SCAN_MS = 5_000;
/** Each scan looks back that far: what a scan missed because Redis or the worker was away, a later one finds. */
const LOOK_BACK_MS = 3_600_000;

interface Annotation {
  id: number;
}

/** Two kinds of job: one looks for what has changed, the other tells Grafana of one deployment. */
export function annotationJobs(
  parts: AnnotationParts,
): [JobDefinition, JobDefinition<{ deployment: string }>] {
  const scan: JobDefinition = {
    name: SCAN,
    every: { ms: SCAN_MS, data: {} },
    async handle() {
      for (const changed of await parts.changedSince(new Date(Date.now() - LOOK_BACK_MS))) {
        const deployment = JSON.stringify(changed);
        await parts.enqueue(ANNOTATE, { deployment }, `${changed.uuid}-${changed.updatedAt.getTime()}`);
      }
    },
  };
  const annotate: JobDefinition<{ deployment: string }> = {
    name: ANNOTATE,
    handle: ({ deployment }, context) => annotateOnce(parts, revive(deployment), context),
  };
  return [scan, annotate];
}

/** Looks for its own annotation first, so that a second try changes it rather than adding another. */
async function annotateOnce(
  parts: AnnotationParts,
  deployment: AnnotatedDeployment,
  { signal }: JobContext,
): Promise<void> {
  const { uuid, service, environment, version, status, startedAt, finishedAt } = deployment;
  const own = `pcf-deployment:${uuid}`;
  const found = await ask<Annotation[]>(parts, 'GET', `api/annotations?type=annotation&tags=${own}`, signal);
  const annotation = {
    time: startedAt.getTime(),
    ...(finishedAt && { timeEnd: finishedAt.getTime() }),
    tags: ['pcf', own, `service:${service}`, `environment:${environment}`, `status:${status.toLowerCase()}`],
    text: `${service} ${version} in ${environment}: ${status.toLowerCase().replaceAll('_', ' ')}`,
  };
  const [existing] = found;
  if (existing) await ask(parts, 'PATCH', `api/annotations/${existing.id}`, signal, annotation);
  else await ask(parts, 'POST', 'api/annotations', signal, annotation);
}

async function ask<T>(
  { url, token }: AnnotationParts,
  method: string,
  path: string,
  signal: AbortSignal,
  body?: object,
): Promise<T> {
  const response = await fetch(new URL(path, url.endsWith('/') ? url : `${url}/`), {
    method,
    signal,
    redirect: 'error', // the token is for this address alone
    headers: {
      'content-type': 'application/json',
      ...(token && { authorization: `Bearer ${token.value}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  if (response.ok) return (await response.json()) as T;
  await response.body?.cancel();
  const message = `Grafana answered ${response.status} to ${method} ${path.split('?')[0]}`;
  const isOurFault =
    response.status >= 400 && response.status < 500 && ![401, 403, 408, 429].includes(response.status);
  throw isOurFault ? new HopelessJobError(message) : new Error(message);
}

function revive(text: string): AnnotatedDeployment {
  const { startedAt, finishedAt, updatedAt, ...rest } = JSON.parse(text) as Record<string, string>;
  const date = (value?: string | null) => (value ? new Date(value) : null);
  return {
    ...(rest as unknown as AnnotatedDeployment),
    startedAt: date(startedAt) ?? new Date(),
    finishedAt: date(finishedAt),
    updatedAt: date(updatedAt) ?? new Date(),
  };
}
