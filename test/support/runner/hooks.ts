import { stopSharedAuditedCluster } from '../cluster/audited-cluster.js';
import { stopSharedSandbox } from '../cluster/sandbox.js';
import { stopSharedPostgres } from '../servers/postgres.js';

export { mochaGlobalSetup } from './it-concurrently.js';

/** Stops all shared processes after the tests. */
export async function mochaGlobalTeardown(): Promise<void> {
  await Promise.all([stopSharedSandbox(), stopSharedAuditedCluster(), stopSharedPostgres()]);
}
