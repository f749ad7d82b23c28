import type { EntityManager } from 'typeorm';
import { Bindings } from '../../database/conditions.js';
import { FOREIGN_KEY_VIOLATION, sqlState } from '../../database/pool/connection-errors.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { assignments } from '../../database/rows.js';
import { badUserInput, conflict, notFound } from '../../errors.js';
import { uuidOf } from '../../graphql/relay/global-id.js';
import { Deployment } from '../deployments/deployment.entity.js';
import { requestDigest } from '../digest.js';
import { type Announcer, changeAndAnnounce } from '../events/announce.js';
import { Incident, incidentType } from './incident.entity.js';
import type { OpenIncidentInput, ResolveIncidentInput, UpdateIncidentInput } from './incident.inputs.js';

const { table } = incidentType;

/** Opens, updates and resolves incidents. */
export class IncidentService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly announce: Announcer,
  ) {}

  /**
   * Idempotent: a known key with the same input returns the recorded incident. A known key with
   * other input throws CONFLICT.
   */
  async open({ idempotencyKey, ...input }: OpenIncidentInput): Promise<Incident> {
    const serviceId = uuidOf('Service', input.serviceId, 'input.serviceId');
    const deployment =
      input.deploymentId == null ? null : uuidOf('Deployment', input.deploymentId, 'input.deploymentId');
    if (deployment) await this.#requireDeploymentOf(serviceId, deployment);
    const digest = requestDigest(input);
    const bindings = new Bindings();
    const { bind } = bindings;
    const values = [
      serviceId,
      input.environment,
      deployment,
      input.title,
      input.description ?? null,
      input.severity,
      input.openedAt ?? new Date(),
      idempotencyKey,
      digest,
    ];
    const sql = `INSERT INTO incidents (service_id, environment, deployment_id, title, description, severity,
        opened_at, idempotency_key, request_digest)
      VALUES (${values.map((value) => bind(value)).join(', ')})
      ON CONFLICT (service_id, idempotency_key) DO NOTHING`;
    const change = { kind: 'INCIDENT_OPENED' as const, sql, bindings };
    const [opened] = await changeAndAnnounce(this.dataSource, table, change, this.announce).catch(
      (error: unknown) => {
        if (sqlState(error) !== FOREIGN_KEY_VIOLATION) throw error;
        throw notFound('service not found', 'input.serviceId');
      },
    );
    if (opened) return opened;
    const existing = await this.#read((manager) =>
      manager
        .createQueryBuilder(Incident, 'incident')
        .addSelect('incident.requestDigest')
        .where({ serviceId, idempotencyKey })
        .getOne(),
    );
    if (existing?.requestDigest === digest) return existing;
    throw conflict('the idempotency key was used for another incident', 'input.idempotencyKey');
  }

  async update({ id, title, description, severity, deploymentId }: UpdateIncidentInput): Promise<Incident> {
    const uuid = uuidOf('Incident', id, 'input.id');
    const before = await this.#get(uuid);
    const cause =
      deploymentId == null ? deploymentId : uuidOf('Deployment', deploymentId, 'input.deploymentId');
    if (cause) await this.#requireDeploymentOf(before.serviceId, cause);
    const values = {
      title: title ?? undefined,
      description,
      severity: severity ?? undefined,
      deploymentId: cause,
    };
    if (Object.values(values).every((value) => value === undefined)) return before;
    const bindings = new Bindings();
    const sql = `UPDATE incidents AS t SET ${assignments(table, values, bindings)} WHERE t.id = ${bindings.bind(uuid)}`;
    const change = { kind: 'INCIDENT_UPDATED' as const, sql, bindings };
    const [updated] = await changeAndAnnounce(this.dataSource, table, change, this.announce);
    return updated ?? before;
  }

  /** Idempotent: a retry without a time or with the same time changes nothing. */
  async resolve({ id, resolvedAt }: ResolveIncidentInput): Promise<Incident> {
    const uuid = uuidOf('Incident', id, 'input.id');
    const bindings = new Bindings();
    const { bind } = bindings;
    const end = `CAST(${bind(resolvedAt ?? null)} AS timestamptz)`;
    const sql = `UPDATE incidents AS t
      SET resolved_at = coalesce(${end}, greatest(now(), t.opened_at)), updated_at = now()
      WHERE t.id = ${bind(uuid)} AND t.resolved_at IS NULL AND (${end} IS NULL OR ${end} >= t.opened_at)`;
    const change = { kind: 'INCIDENT_RESOLVED' as const, sql, bindings };
    const [resolved] = await changeAndAnnounce(this.dataSource, table, change, this.announce);
    if (resolved) return resolved;
    const before = await this.#get(uuid);
    if (resolvedAt && resolvedAt < before.openedAt) {
      throw badUserInput({
        field: 'input.resolvedAt',
        message: 'must not be before the start of the incident',
      });
    }
    if (!resolvedAt || before.resolvedAt?.getTime() === resolvedAt.getTime()) return before;
    throw conflict('the incident was resolved at another time', 'input.resolvedAt');
  }

  async #get(uuid: string): Promise<Incident> {
    const incident = await this.#read((manager) => manager.findOneBy(Incident, { uuid }));
    if (!incident) throw notFound('incident not found', 'input.id');
    return incident;
  }

  #read<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.dataSource.withManager({ mode: 'read', tables: ['incidents'] }, work);
  }

  async #requireDeploymentOf(serviceId: string, uuid: string): Promise<void> {
    const deployment = await this.dataSource.withManager(
      { mode: 'read', tables: ['deployments'] },
      (manager) => manager.findOne(Deployment, { select: { serviceId: true }, where: { uuid } }),
    );
    if (!deployment) throw notFound('deployment not found', 'input.deploymentId');
    if (deployment.serviceId === serviceId) return;
    throw badUserInput({ field: 'input.deploymentId', message: 'must be a deployment of the same service' });
  }
}
