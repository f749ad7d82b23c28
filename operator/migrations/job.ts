/** The Jobs that move the schema: one a revision, stage and attempt, and what must come before contract. */
import { createHash } from 'node:crypto';
import { ENV, EXIT, ROLES } from '../../contract/image.js';
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { BeforeContractJob } from '../api/v1alpha1/spec/data.js';
import type { MigrationJob, MigrationStage } from '../delivery/types.js';
import { JobKind } from '../resources/kinds.js';
import { type Component, LABELS, owned } from '../resources/metadata.js';
import { CONTAINER_SECURITY, type Container, POD_SECURITY, variant } from '../resources/pod-template.js';
import type { Revision } from '../resources/revision.js';
import type { KubeObject } from '../runtime/kube-types.js';

const DEFAULT_DEADLINE = { expand: '15m', backfill: '24h', hook: '1h' } as const;

/**
 * A revision's name is the hash of its image and settings, so this names what the Job does:
 * it is made once, found again by whoever comes later, and never met with other contents.
 */
export function migrationJobName(revision: string, stage: MigrationStage, attempt = 1): string {
  return attempt > 1 ? `${revision}-${stage}-${attempt}` : `${revision}-${stage}`;
}

/** A backup is of one promotion: an undo and another promotion later, what it holds is old. */
export function hookJobName(revision: string, promotedAt: string | undefined, attempt: number): string {
  const hash = createHash('sha256').update(`${promotedAt}/${attempt}`).digest('hex');
  return `${revision}-hook-${hash.slice(0, 5)}`;
}

const ARGUMENTS: Record<Exclude<MigrationStage, 'hook'>, readonly string[]> = {
  plan: ROLES.migratePlan,
  expand: ROLES.migratePhase('expand'),
  backfill: ROLES.migratePhase('backfill'),
  contract: ROLES.migratePhase('contract'),
};

/** The Job of a stage. Same image, settings and Secrets as the revision's pods. */
export function migrationJob(api: PcfApi, revision: Revision, { stage, attempt }: MigrationJob): KubeObject {
  if (stage === 'hook') return hookJob(api, revision, attempt);
  const { startupProbe, readinessProbe, livenessProbe, ports, ...container } =
    revision.template.spec.containers[0];
  const template = variant(revision.template, 'migration', {
    ...container,
    name: MIGRATION_CONTAINER,
    args: [...ARGUMENTS[stage]],
    env: withLockTimeout(api, container.env),
  });
  return job(api, migrationJobName(revision.name, stage, attempt), revision, stage, template);
}

/** Name of the container whose log and last words are read. */
export const MIGRATION_CONTAINER = 'migrate';

function withLockTimeout({ spec }: PcfApi, env: Container['env']): Container['env'] {
  const { lockTimeout } = spec.migrations ?? {};
  if (!lockTimeout) return env;
  const name = ENV.migrationsLockTimeout;
  return [
    ...env.filter((variable) => variable.name !== name),
    { name, value: `${durationMs(lockTimeout)}ms` },
  ];
}

function hookJob(api: PcfApi, revision: Revision, attempt: number): KubeObject {
  const { job: given } = api.spec.migrations!.beforeContract!;
  const { promotedAt } = api.status?.delivery ?? {};
  const { labels } = revision.template.metadata;
  const template = {
    metadata: { labels: { ...labels, [LABELS.component]: 'migration' satisfies Component } },
    spec: {
      ...(given.serviceAccountName
        ? { serviceAccountName: given.serviceAccountName }
        : { automountServiceAccountToken: false }),
      ...(api.spec.imagePullSecrets ? { imagePullSecrets: api.spec.imagePullSecrets } : {}),
      securityContext: POD_SECURITY,
      containers: [hookContainer(api, revision, given)],
      volumes: [{ name: 'tmp', emptyDir: {} }],
    },
  };
  return job(api, hookJobName(revision.name, promotedAt, attempt), revision, 'hook', template);
}

function hookContainer(api: PcfApi, revision: Revision, given: BeforeContractJob) {
  const { image, command, args, env, resources } = given;
  const { namespace, name } = api.metadata;
  const names = { PCF_NAMESPACE: namespace, PCF_NAME: name, PCF_REVISION: revision.name };
  return {
    name: MIGRATION_CONTAINER,
    image,
    ...(command ? { command } : {}),
    ...(args ? { args } : {}),
    env: [...Object.entries(names).map(([key, value]) => ({ name: key, value })), ...env],
    ...(resources ? { resources } : {}),
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: CONTAINER_SECURITY,
    volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
  };
}

interface Template {
  metadata: { labels: Record<string, string> };
  spec: object;
}

/** Trying again can't mend these: bad settings, lint, the database's history. */
const REFUSED: readonly number[] = [EXIT.usage, EXIT.config];
/**
 * Of a migration, neither a statement that PostgreSQL refuses nor a program that is not there (126,
 * 127). What may well succeed later has a code of its own. A hook is somebody else's program,
 * and may well say 1 for anything.
 */
const FAILED: readonly number[] = [EXIT.failure, ...REFUSED, 126, 127];
/** The deadline ends a Job, not the number of nodes, connections and locks that were lost on the way. */
const BACKOFF_LIMIT = 1_000_000;

/**
 * The Job controller tries again with exponential backoff until the deadline, unless the run
 * said that it is no use; a node that is drained says nothing about the migration.
 */
function job(api: PcfApi, name: string, revision: Revision, stage: MigrationStage, template: Template) {
  const values = [...(stage === 'hook' ? REFUSED : FAILED)];
  const final = { containerName: MIGRATION_CONTAINER, operator: 'In', values };
  return owned(api, JobKind, name, {
    labels: {
      [LABELS.component]: 'migration' satisfies Component,
      [LABELS.revision]: revision.name,
      [LABELS.stage]: stage,
    },
    spec: {
      activeDeadlineSeconds: Math.ceil(durationMs(deadlineOf(api, stage)) / 1000),
      backoffLimit: BACKOFF_LIMIT,
      podFailurePolicy: {
        rules: [
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] },
          { action: 'FailJob', onExitCodes: final },
        ],
      },
      template: { metadata: template.metadata, spec: { ...template.spec, restartPolicy: 'Never' } },
    },
  });
}

function deadlineOf({ spec }: PcfApi, stage: MigrationStage): string {
  const { deadline, backfillDeadline, beforeContract } = spec.migrations ?? {};
  if (stage === 'backfill') return backfillDeadline ?? DEFAULT_DEADLINE.backfill;
  if (stage === 'hook') return beforeContract?.job.timeout ?? DEFAULT_DEADLINE.hook;
  return deadline ?? DEFAULT_DEADLINE.expand;
}
