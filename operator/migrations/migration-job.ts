/** The migration Jobs: one per revision, stage and attempt. */
import { ENV, EXIT, ROLES } from '../../contract/image.js';
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { schemaCheckOf } from '../api/v1alpha1/spec/schema-check.js';
import type { MigrationJob, MigrationStage } from '../delivery/observation.js';
import { JobKind } from '../resources/kinds.js';
import { type Component, LABELS, owned } from '../resources/metadata.js';
import { type Container, type PodTemplate, variant } from '../resources/pod-template.js';
import type { Revision } from '../resources/revision.js';
import type { KubeObject } from '../runtime/kube-types.js';

const DEFAULT_DEADLINE = { expand: '15m', backfill: '24h', hook: '1h' } as const;

/**
 * A revision's name is a hash of its image and settings, so a Job of this name always has the same
 * contents: it is created once, and later reconciles find it by its name.
 */
export function migrationJobName(revision: string, stage: MigrationStage, attempt = 1): string {
  return attempt > 1 ? `${revision}-${stage}-${attempt}` : `${revision}-${stage}`;
}

/** The number in the name of a migration Job. */
export function attemptOf(name: string, revision: string, stage: MigrationStage): number {
  return Number(name.slice(`${revision}-${stage}-`.length)) || 1;
}

const ARGUMENTS: Record<
  Exclude<MigrationStage, 'hook'>,
  (migrations: readonly string[]) => readonly string[]
> = {
  plan: () => ROLES.migratePlan,
  expand: () => ROLES.migratePhase('expand'),
  backfill: () => ROLES.migratePhase('backfill'),
  contract: () => ROLES.migratePhase('contract'),
  restore: (migrations) => ROLES.migrateRestore(migrations),
  purge: () => ROLES.migratePurge,
};

/** The Job of a stage, with the image, settings and Secrets of the revision's pods. */
export function migrationJob(
  api: PcfApi,
  revision: Revision,
  { stage, attempt, migrations = [] }: MigrationJob & { stage: keyof typeof ARGUMENTS },
): KubeObject {
  const { startupProbe, readinessProbe, livenessProbe, ports, ...container } =
    revision.template.spec.containers[0];
  const template = variant(revision.template, 'migration', {
    ...container,
    name: MIGRATION_CONTAINER,
    args: [...ARGUMENTS[stage](migrations)],
    env: [...withSettings(api, stage, container.env), ...(stage === 'expand' ? schemaCheckEnv(api) : [])],
  });
  return stageJob(api, migrationJobName(revision.name, stage, attempt), revision, stage, template);
}

/** Name of the container whose log and termination message are read. */
export const MIGRATION_CONTAINER = 'migrate';

/** The stages that report or run contract migrations: an older image, as of an undo, rejects unknown settings. */
const WITH_WINDOW: readonly MigrationStage[] = ['plan', 'contract'];

function withSettings({ spec }: PcfApi, stage: MigrationStage, env: Container['env']): Container['env'] {
  const { lockTimeout, contractWindow } = spec.migrations ?? {};
  const windowMs = durationMs(contractWindow ?? '0s');
  const settings = [
    ...(lockTimeout ? [{ name: ENV.migrationsLockTimeout, value: `${durationMs(lockTimeout)}ms` }] : []),
    ...(windowMs > 0 && WITH_WINDOW.includes(stage)
      ? [{ name: ENV.migrationsContractWindow, value: `${Math.ceil(windowMs / 1000)}s` }]
      : []),
  ];
  const names: string[] = settings.map(({ name }) => name);
  return [...env.filter(({ name }) => !names.includes(name)), ...settings];
}

function schemaCheckEnv({ spec }: PcfApi): Container['env'] {
  const { mode, windowMs, ignoreClients } = schemaCheckOf(spec);
  if (mode === 'Off') return [];
  const ignored = { name: ENV.schemaCheckIgnore, value: JSON.stringify(ignoreClients) };
  return [
    { name: ENV.schemaCheckWindow, value: String(windowMs) },
    ...(ignoreClients.length > 0 ? [ignored] : []),
  ];
}

interface Template {
  metadata: PodTemplate['metadata'];
  spec: object;
}

/** Exit codes that a retry can't fix: invalid settings, lint findings, the migration history of the database. */
const REFUSED: readonly number[] = [EXIT.usage, EXIT.config];
/**
 * Exit codes of a migration that a retry can't fix: a statement that PostgreSQL rejects, and a missing program
 * (126, 127). Temporary failures have an exit code of their own. The program of a hook is the user's own and may
 * exit with 1 for any reason.
 */
const FAILED: readonly number[] = [EXIT.failure, ...REFUSED, 126, 127];
/** A Job ends at its deadline, regardless of the number of lost nodes, connections and locks. */
const BACKOFF_LIMIT = 1_000_000;

/**
 * The Job controller retries with exponential backoff until the deadline, unless the exit code is permanent.
 * Pods that are evicted, as by draining a node, do not count.
 */
export function stageJob(
  api: PcfApi,
  name: string,
  revision: Revision,
  stage: MigrationStage,
  template: Template,
) {
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
  if (stage === 'hook') return beforeContract?.job?.timeout ?? DEFAULT_DEADLINE.hook;
  return deadline ?? DEFAULT_DEADLINE.expand;
}
