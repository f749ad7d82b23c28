import DataLoader from 'dataloader';
import type { DataSource } from 'typeorm';
import { type Page, toPage } from '../../platform/graphql/relay/connection.js';
import type { PageRequest } from '../../platform/graphql/relay/paging.js';
import { observedBatch } from '../../platform/metrics/batch-observer.js';
import { type Deployment, deploymentsByNewest } from './deployment.entity.js';
import { countsByService, deploymentRowsByService } from './deployment.queries.js';

/** Pages of deployments of one service; all services that are asked for the same page share its queries. */
export interface DeploymentsOfServiceLoader {
  load(serviceUuid: string, environment: string | undefined, request: PageRequest): Promise<Page<Deployment>>;
}

interface Batch {
  rows: DataLoader<string, Deployment[]>;
  counts: DataLoader<string, number>;
}

export function createDeploymentsLoader(dataSource: DataSource): DeploymentsOfServiceLoader {
  const batches = new Map<string, Batch>();
  return {
    async load(serviceUuid, environment, request) {
      const key = JSON.stringify([environment, request]);
      const batch = batches.get(key) ?? newBatch(dataSource, environment, request);
      batches.set(key, batch);
      const rows = await batch.rows.load(serviceUuid);
      return toPage(deploymentsByNewest, request, rows, () => batch.counts.load(serviceUuid));
    },
  };
}

function newBatch(dataSource: DataSource, environment: string | undefined, request: PageRequest): Batch {
  const rowsOf = async (uuids: readonly string[]) => {
    const rows = await deploymentRowsByService(dataSource, uuids, environment, request);
    return uuids.map((uuid) => rows.get(uuid) ?? []);
  };
  const countsOf = async (uuids: readonly string[]) => {
    const counts = await countsByService(dataSource, uuids, environment);
    return uuids.map((uuid) => counts.get(uuid) ?? 0);
  };
  return {
    rows: new DataLoader(observedBatch('deploymentsOfService', rowsOf)),
    counts: new DataLoader(observedBatch('deploymentCounts', countsOf)),
  };
}
