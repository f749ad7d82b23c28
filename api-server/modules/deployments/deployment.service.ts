import { randomUUID } from 'node:crypto';
import type { DataSource, Repository } from 'typeorm';
import { sqlState } from '../../platform/database/connection-errors.js';
import { badUserInput, conflict, notFound } from '../../platform/graphql/errors.js';
import type { Page } from '../../platform/graphql/relay/connection.js';
import { uuidOf } from '../../platform/graphql/relay/global-id.js';
import type { PageRequest } from '../../platform/graphql/relay/paging.js';
import { Deployment } from './deployment.entity.js';
import type { FinishDeploymentInput, RecordDeploymentInput } from './deployment.inputs.js';
import { type DeploymentFilter, deploymentPage } from './deployment.queries.js';
import { DeploymentStatus } from './deployment-status.js';

const FOREIGN_KEY_VIOLATION = '23503';

/** Deployments in the database. */
export class DeploymentService {
  constructor(readonly dataSource: DataSource) {}

  private get deployments(): Repository<Deployment> {
    return this.dataSource.getRepository(Deployment);
  }

  findById(uuid: string): Promise<Deployment | null> {
    return this.deployments.findOneBy({ uuid });
  }

  page(filter: DeploymentFilter, request: PageRequest): Promise<Page<Deployment>> {
    return deploymentPage(this.dataSource, filter, request);
  }

  /**
   * Records the start of a deployment. With a key it has seen, it returns what it
   * recorded then; the same key for something else is a CONFLICT.
   */
  async record(input: RecordDeploymentInput): Promise<Deployment> {
    const serviceId = uuidOf('Service', input.serviceId, 'input.serviceId');
    const { idempotencyKey, environment, version, commit, committedAt, startedAt } = input;
    const details = { version, commit: commit ?? null, committedAt: committedAt ?? null };
    const insert = this.deployments
      .createQueryBuilder()
      .insert()
      .orIgnore()
      .values({
        uuid: randomUUID(),
        serviceId,
        idempotencyKey,
        environmentName: environment,
        ...details,
        status: DeploymentStatus.IN_PROGRESS,
        startedAt: startedAt ?? new Date(),
      });
    await insert.execute().catch((error: unknown) => {
      if (sqlState(error) !== FOREIGN_KEY_VIOLATION) throw error;
      throw notFound('there is no such service', 'input.serviceId');
    });
    const recorded = await this.deployments.findOneByOrFail({ serviceId, idempotencyKey });
    if (!isSame(recorded, input)) {
      throw conflict('the idempotency key was used for another deployment', 'input.idempotencyKey');
    }
    return recorded;
  }

  /** Ends a deployment once; the same outcome again changes nothing, another one is a CONFLICT. */
  async finish({ id, outcome, finishedAt }: FinishDeploymentInput): Promise<Deployment> {
    const uuid = uuidOf('Deployment', id, 'input.id');
    const before = await this.findById(uuid);
    if (!before) throw notFound('there is no such deployment', 'input.id');
    const end = finishedAt ?? new Date(Math.max(Date.now(), before.startedAt.getTime()));
    if (end < before.startedAt) {
      throw badUserInput({ field: 'input.finishedAt', message: 'is before the deployment started' });
    }
    // The condition decides between two that end it at the same time.
    await this.deployments.update(
      { uuid, status: DeploymentStatus.IN_PROGRESS },
      { status: outcome, finishedAt: end },
    );
    const after = await this.deployments.findOneByOrFail({ uuid });
    if (after.status !== outcome) {
      throw conflict(`the deployment has ended as ${after.status} already`, 'input.outcome');
    }
    return after;
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
