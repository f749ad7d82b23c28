import Mocha from 'mocha';
import { stopSharedAuditedCluster } from '../cluster/audited-cluster.js';
import { deleteCreatedApis } from '../cluster/pcf-api.js';
import { stopSharedSandbox } from '../cluster/sandbox.js';
import { stopSharedPostgres } from '../servers/postgres.js';
import { mochaGlobalSetup as storeRunner } from './it-concurrently.js';

export function mochaGlobalSetup(this: Mocha.Runner): void {
  storeRunner.call(this);
  this.on(Mocha.Runner.constants.EVENT_SUITE_END, (suite) => {
    // Not awaited, and without its errors: a PcfApi that remains only takes CPU time.
    if (suite.parent?.root) deleteCreatedApis().catch(() => undefined);
  });
}

/** Stops all shared processes after the tests. */
export async function mochaGlobalTeardown(): Promise<void> {
  await Promise.all([stopSharedSandbox(), stopSharedAuditedCluster(), stopSharedPostgres()]);
}
