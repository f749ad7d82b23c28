import type Mocha from 'mocha';
import { stopSharedAuditedCluster } from './audited-cluster.js';
import { setRunner } from './it-concurrently.js';
import { stopSharedPostgres } from './postgres.js';
import { stopSharedSandbox } from './sandbox.js';

export function mochaGlobalSetup(this: Mocha.Runner): void {
  setRunner(this);
}

/** Nothing that the tests started outlives them. */
export async function mochaGlobalTeardown(): Promise<void> {
  await Promise.all([stopSharedSandbox(), stopSharedAuditedCluster(), stopSharedPostgres()]);
}
