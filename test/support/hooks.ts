import { stopSharedAuditedCluster } from './audited-cluster.js';
import { stopSharedPostgres } from './postgres.js';
import { stopSharedSandbox } from './sandbox.js';

export { mochaGlobalSetup } from './it-concurrently.js';

/** Stops all shared processes after the tests. */
export async function mochaGlobalTeardown(): Promise<void> {
  await Promise.all([stopSharedSandbox(), stopSharedAuditedCluster(), stopSharedPostgres()]);
}
