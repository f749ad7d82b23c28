import type { FindOptionsWhere } from 'typeorm';
import { Bindings } from '../../database/conditions.js';
import { sqlState, UNIQUE_VIOLATION } from '../../database/pool/connection-errors.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { assignments } from '../../database/rows.js';
import { badUserInput, conflict, notFound } from '../../errors.js';
import { uuidOf } from '../../graphql/relay/global-id.js';
import { requestDigest } from '../digest.js';
import { type Announcer, type Change, changeAndAnnounce } from '../events/announce.js';
import { type DeploymentFailure, incidentOfFailure } from '../incidents/incident-of-failure.js';
import { releaseCtes } from '../releases/release.service.js';
import { Service } from '../services/service.entity.js';
import { Deployment, deploymentType } from './deployment.entity.js';
import type {
  FinishDeploymentInput,
  RecordDeploymentInput,
  UpdateDeploymentInput,
} from './deployment.inputs.js';
import { DeploymentStatus, isFailure } from './deployment-status.js';

const { table } = deploymentType;

/** Records, updates and finishes deployments. */
export class DeploymentService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly announce: Announcer,
  ) {}

  /**
   * Idempotent: a known key with the same input returns the recorded deployment. A known key with
   * other input throws CONFLICT.
   */
  async record(input: RecordDeploymentInput): Promise<Deployment> {
    const serviceId = uuidOf('Service', input.serviceId, 'input.serviceId');
    const { idempotencyKey, ...content } = input;
    const digest = requestDigest(content);
    const recorded = await this.#insert(serviceId, input, digest);
    if (recorded) return recorded;
    const before = await this.#find({ serviceId, idempotencyKey });
    if (!before) throw await this.#rejection(serviceId);
    if (before.requestDigest === null ? hasSameContent(before, input) : before.requestDigest === digest)
      return before;
    throw conflict('the idempotency key was used for another deployment', 'input.idempotencyKey');
  }

  /** Throws CONFLICT when the deployment is finished. */
  async update({ id, weight, reason }: UpdateDeploymentInput): Promise<Deployment> {
    const uuid = uuidOf('Deployment', id, 'input.id');
    const bindings = new Bindings();
    const set = assignments(table, { weight, reason }, bindings);
    const sql = `UPDATE deployments AS t SET ${set}
      WHERE t.id = ${bindings.bind(uuid)} AND t.status = ${bindings.bind(DeploymentStatus.IN_PROGRESS)}`;
    const isChange = weight !== undefined || reason !== undefined;
    const [updated] = isChange ? await this.#change('DEPLOYMENT_UPDATED', sql, bindings) : [];
    if (updated) return updated;
    const before = await this.#get(uuid);
    if (!isChange) return before;
    throw conflict(`the deployment is already finished with status ${before.status}`, 'input.id');
  }

  /**
   * Idempotent: a retry with the same outcome changes nothing, another outcome throws CONFLICT. The failure is not
   * part of the digest, because clients of an earlier version retry without it, and later ones with it.
   */
  async finish({
    idempotencyKey,
    failedSince,
    undoneKey,
    ...input
  }: FinishDeploymentInput): Promise<Deployment> {
    const uuid = uuidOf('Deployment', input.id, 'input.id');
    const digest = requestDigest(input);
    const failure = failedSince && isFailure(input.outcome) ? { since: failedSince, undoneKey } : undefined;
    const finished = await this.#finish(uuid, input, idempotencyKey, digest, failure);
    if (finished) return finished;
    const before = await this.#get(uuid);
    if (input.finishedAt && input.finishedAt < before.startedAt) {
      throw badUserInput({
        field: 'input.finishedAt',
        message: 'must not be before the start of the deployment',
      });
    }
    if (idempotencyKey != null && before.finishIdempotencyKey === idempotencyKey) {
      if (before.finishDigest === digest) return before;
      throw conflict('the idempotency key was used with other input', 'input.idempotencyKey');
    }
    if (before.status === input.outcome) return before;
    throw conflict(`the deployment is already finished with status ${before.status}`, 'input.outcome');
  }

  /**
   * Undefined when the key is known, or when the service or environment is missing or archived.
   * Then the release is not inserted either: the CTE `accepted` is empty, and a concurrent insert
   * with the same key fails the whole statement with a unique violation.
   */
  async #insert(
    serviceId: string,
    input: RecordDeploymentInput,
    digest: string,
  ): Promise<Deployment | undefined> {
    const { environment, version, commit, committedAt, startedAt, idempotencyKey } = input;
    const { strategy, weight, reason } = input;
    const bindings = new Bindings();
    const { bind } = bindings;
    const accepted = `accepted AS (
        SELECT id FROM services s WHERE s.id = ${bind(serviceId)} AND s.archived_at IS NULL
          AND NOT EXISTS (SELECT FROM environments WHERE name = ${bind(environment)} AND archived_at IS NOT NULL)
          AND NOT EXISTS (SELECT FROM deployments WHERE service_id = s.id AND idempotency_key = ${bind(idempotencyKey)}))`;
    const release = releaseCtes(serviceId, input, bindings, 'EXISTS (SELECT FROM accepted)');
    const values = [
      ['id', 'gen_random_uuid()'],
      ['service_id', 'accepted.id'],
      ['environment', bind(environment)],
      ['release_id', '(SELECT id FROM release)'],
      ['version', bind(version)],
      ['commit', bind(commit ?? null)],
      ['committed_at', `CAST(${bind(committedAt ?? null)} AS timestamptz)`],
      ['strategy', bind(strategy ?? null)],
      ['weight', `CAST(${bind(weight ?? null)} AS smallint)`],
      ['reason', bind(reason ?? null)],
      ['started_at', `CAST(${bind(startedAt ?? new Date())} AS timestamptz)`],
      ['idempotency_key', bind(idempotencyKey)],
      ['request_digest', bind(digest)],
    ];
    const sql = `INSERT INTO deployments (${values.map(([column]) => column).join(', ')})
      SELECT ${values.map(([, value]) => value).join(', ')} FROM accepted`;
    const change = changeAndAnnounce(
      this.dataSource,
      table,
      {
        kind: 'DEPLOYMENT_RECORDED',
        tables: ['services', 'environments', 'releases'],
        before: [accepted, ...release],
        sql,
        bindings,
      },
      this.announce,
    );
    const [recorded] = await change.catch((error: unknown) => {
      if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
      return [];
    });
    return recorded;
  }

  /** Undefined when the deployment is finished or missing. The condition on the status lets only one of two concurrent calls succeed. */
  async #finish(
    uuid: string,
    { outcome, finishedAt, reason }: Pick<FinishDeploymentInput, 'outcome' | 'finishedAt' | 'reason'>,
    key: string | null | undefined,
    digest: string,
    failure: DeploymentFailure | undefined,
  ): Promise<Deployment | undefined> {
    const bindings = new Bindings();
    const { bind } = bindings;
    const end = `CAST(${bind(finishedAt ?? null)} AS timestamptz)`;
    const set = assignments(
      table,
      {
        status: outcome,
        finishIdempotencyKey: key ?? null,
        finishDigest: digest,
        ...(reason != null && { reason }),
      },
      bindings,
    );
    const sql = `UPDATE deployments AS t SET finished_at = coalesce(${end}, greatest(now(), t.started_at)), ${set}
      WHERE t.id = ${bind(uuid)} AND t.status = ${bind(DeploymentStatus.IN_PROGRESS)}
        AND (${end} IS NULL OR ${end} >= t.started_at)`;
    const incident = failure && incidentOfFailure(failure, bindings);
    const [finished] = await this.#change('DEPLOYMENT_FINISHED', sql, bindings, incident).catch(
      (error: unknown) => {
        if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
        throw conflict('the idempotency key was used for another deployment', 'input.idempotencyKey');
      },
    );
    return finished;
  }

  #change(
    kind: 'DEPLOYMENT_UPDATED' | 'DEPLOYMENT_FINISHED',
    sql: string,
    bindings: Bindings,
    more: Pick<Change, 'tables' | 'after' | 'furtherEvents'> = {},
  ): Promise<Deployment[]> {
    return changeAndAnnounce(this.dataSource, table, { kind, sql, bindings, ...more }, this.announce);
  }

  async #get(uuid: string): Promise<Deployment> {
    const found = await this.#find({ uuid });
    if (!found) throw notFound('deployment not found', 'input.id');
    return found;
  }

  /** With the columns that decide whether a retry has the same input. */
  #find(where: FindOptionsWhere<Deployment>): Promise<Deployment | null> {
    return this.dataSource.withManager({ mode: 'read', tables: ['deployments'] }, (manager) =>
      manager
        .createQueryBuilder(Deployment, 'deployment')
        .addSelect(
          ['requestDigest', 'finishIdempotencyKey', 'finishDigest'].map((name) => `deployment.${name}`),
        )
        .where(where)
        .getOne(),
    );
  }

  async #rejection(serviceId: string): Promise<Error> {
    const service = await this.dataSource.withManager({ mode: 'read', tables: ['services'] }, (manager) =>
      manager.findOneBy(Service, { uuid: serviceId }),
    );
    if (!service) return notFound('service not found', 'input.serviceId');
    return service.archivedAt
      ? conflict('the service is archived', 'input.serviceId')
      : conflict('the environment is archived', 'input.environment');
  }
}

/** For rows without a digest: compares the stored columns. An omitted start time matches any. */
function hasSameContent(recorded: Deployment, input: RecordDeploymentInput): boolean {
  return (
    recorded.environmentName === input.environment &&
    recorded.version === input.version &&
    recorded.commit === (input.commit ?? null) &&
    recorded.committedAt?.getTime() === input.committedAt?.getTime() &&
    (!input.startedAt || recorded.startedAt.getTime() === input.startedAt.getTime())
  );
}
