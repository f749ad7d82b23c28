import type { DataSource } from 'typeorm';
import { Bindings } from '../../platform/database/conditions.js';
import { sqlState, UNIQUE_VIOLATION } from '../../platform/database/connection-errors.js';
import type { PropertyOf } from '../../platform/database/entity-table.js';
import { assignments } from '../../platform/database/rows.js';
import { badUserInput, conflict, notFound } from '../../platform/graphql/errors.js';
import { uuidOf } from '../../platform/graphql/relay/global-id.js';
import { requestDigest } from '../digest.js';
import { type Announcer, changeAndAnnounce } from '../events/announce.js';
import { releaseCtes } from '../releases/release.service.js';
import { type Deployment, deploymentType } from './deployment.entity.js';
import type {
  FinishDeploymentInput,
  RecordDeploymentInput,
  UpdateDeploymentInput,
} from './deployment.inputs.js';
import { DeploymentStatus } from './deployment-status.js';

const { table } = deploymentType;

/** What decides whether a key was used for the same, beside what everybody may read. */
const WITH_KEYS: PropertyOf<Deployment>[] = [
  ...table.properties,
  'requestDigest',
  'finishIdempotencyKey',
  'finishDigest',
];

/** Changes of deployments. */
export class DeploymentService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly announce: Announcer,
  ) {}

  /**
   * Records the start of a deployment. With a key it has seen, it returns what it
   * recorded then; the same key for something else is a CONFLICT.
   */
  async record(input: RecordDeploymentInput): Promise<Deployment> {
    const serviceId = uuidOf('Service', input.serviceId, 'input.serviceId');
    const { idempotencyKey, ...told } = input;
    const digest = requestDigest(told);
    const recorded = await this.#insert(serviceId, input, digest);
    if (recorded) return recorded;
    const before = await this.#find(
      (bind) => `t.service_id = ${bind(serviceId)} AND t.idempotency_key = ${bind(idempotencyKey)}`,
    );
    if (!before) throw await this.#refusal(serviceId);
    if (before.requestDigest === null ? isSame(before, input) : before.requestDigest === digest)
      return before;
    throw conflict('the idempotency key was used for another deployment', 'input.idempotencyKey');
  }

  /** Says how a deployment that is under way stands. */
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
    throw conflict(`the deployment has ended as ${before.status} already`, 'input.id');
  }

  /** Ends a deployment once; the same again changes nothing, another end is a CONFLICT. */
  async finish({ idempotencyKey, ...input }: FinishDeploymentInput): Promise<Deployment> {
    const uuid = uuidOf('Deployment', input.id, 'input.id');
    const digest = requestDigest(input);
    const ended = await this.#end(uuid, input, idempotencyKey, digest);
    if (ended) return ended;
    const before = await this.#get(uuid);
    if (input.finishedAt && input.finishedAt < before.startedAt) {
      throw badUserInput({ field: 'input.finishedAt', message: 'is before the deployment started' });
    }
    if (idempotencyKey != null && before.finishIdempotencyKey === idempotencyKey) {
      if (before.finishDigest === digest) return before;
      throw conflict('the idempotency key was used to end it otherwise', 'input.idempotencyKey');
    }
    if (before.status === input.outcome) return before;
    throw conflict(`the deployment has ended as ${before.status} already`, 'input.outcome');
  }

  /**
   * Undefined when the key is known, or when the service or environment takes no deployments.
   * Nothing is written then, not the release either: whether it is wanted is asked first, and
   * one who was faster with the key makes the whole statement fail.
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
    const wanted = `wanted AS (
        SELECT id FROM services s WHERE s.id = ${bind(serviceId)} AND s.archived_at IS NULL
          AND NOT EXISTS (SELECT FROM environments WHERE name = ${bind(environment)} AND archived_at IS NOT NULL)
          AND NOT EXISTS (SELECT FROM deployments WHERE service_id = s.id AND idempotency_key = ${bind(idempotencyKey)}))`;
    const release = releaseCtes(serviceId, input, bindings, 'EXISTS (SELECT FROM wanted)');
    const values = [
      ['id', 'gen_random_uuid()'],
      ['service_id', 'wanted.id'],
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
      SELECT ${values.map(([, value]) => value).join(', ')} FROM wanted`;
    const change = changeAndAnnounce(
      this.dataSource,
      table,
      { kind: 'DEPLOYMENT_RECORDED', before: [wanted, ...release], sql, bindings },
      this.announce,
    );
    const [recorded] = await change.catch((error: unknown) => {
      if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
      return [];
    });
    return recorded;
  }

  /** Undefined when it has ended before, or there is none. The condition decides between two at the same time. */
  async #end(
    uuid: string,
    { outcome, finishedAt, reason }: Omit<FinishDeploymentInput, 'idempotencyKey'>,
    key: string | null | undefined,
    digest: string,
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
    const [ended] = await this.#change('DEPLOYMENT_FINISHED', sql, bindings).catch((error: unknown) => {
      if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
      throw conflict('the idempotency key was used for another deployment', 'input.idempotencyKey');
    });
    return ended;
  }

  #change(
    kind: 'DEPLOYMENT_UPDATED' | 'DEPLOYMENT_FINISHED',
    sql: string,
    bindings: Bindings,
  ): Promise<Deployment[]> {
    return changeAndAnnounce(this.dataSource, table, { kind, sql, bindings }, this.announce);
  }

  async #get(uuid: string): Promise<Deployment> {
    const found = await this.#find((bind) => `t.id = ${bind(uuid)}`);
    if (!found) throw notFound('there is no such deployment', 'input.id');
    return found;
  }

  async #find(where: (bind: Bindings['bind']) => string): Promise<Deployment | undefined> {
    const bindings = new Bindings();
    const sql = `SELECT ${table.selectList(WITH_KEYS, 't')} FROM deployments t WHERE ${where(bindings.bind)}`;
    const [row]: object[] = await this.dataSource.query(sql, bindings.values);
    return row && table.hydrate(row);
  }

  async #refusal(serviceId: string): Promise<Error> {
    const [service]: { archived: boolean }[] = await this.dataSource.query(
      'SELECT archived_at IS NOT NULL AS archived FROM services WHERE id = $1',
      [serviceId],
    );
    if (!service) return notFound('there is no such service', 'input.serviceId');
    return service.archived
      ? conflict('the service is archived', 'input.serviceId')
      : conflict('the environment is archived', 'input.environment');
  }
}

/** Whether a recorded deployment is the one described; what the caller left out does not count. */
function isSame(recorded: Deployment, input: RecordDeploymentInput): boolean {
  return (
    recorded.environmentName === input.environment &&
    recorded.version === input.version &&
    recorded.commit === (input.commit ?? null) &&
    recorded.committedAt?.getTime() === input.committedAt?.getTime() &&
    (!input.startedAt || recorded.startedAt.getTime() === input.startedAt.getTime())
  );
}
