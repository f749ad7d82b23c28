/** Two operators with leader election, which replace the shared sandbox's operator and restart after exits. */
import { request } from 'undici';
import { OperatorProcess } from '../../sandbox/operator-process.js';
import type { Sandbox } from '../../sandbox/sandbox.js';
import { FAST_LEASE } from '../support/cluster/audited-cluster.js';
import { eventually } from '../support/cluster/pcf-api.js';

export class Operators {
  private stopping = false;
  private readonly supervised: Promise<void>[];

  private constructor(
    private readonly sandbox: Sandbox,
    private readonly operators: readonly OperatorProcess[],
  ) {
    this.supervised = operators.map((operator) => this.supervise(operator));
  }

  static async start(sandbox: Sandbox): Promise<Operators> {
    await sandbox.operator.stop();
    const { stateDir, ledger, parts } = sandbox;
    const options = { cluster: parts.cluster, stateDir, ledger, args: FAST_LEASE };
    const operators = await Promise.all(
      ['chaos-a', 'chaos-b'].map((name) => OperatorProcess.start({ ...options, name })),
    );
    const both = new Operators(sandbox, operators);
    await both.leader();
    return both;
  }

  /** Stops both, and restarts the sandbox's own operator. */
  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.operators.map((operator) => operator.stop()));
    await Promise.all(this.supervised);
    await this.sandbox.operator.restart();
  }

  /** Waits for a leader and returns it. */
  async leader(): Promise<OperatorProcess> {
    let leader: OperatorProcess | undefined;
    await eventually('an operator is the leader', async () => {
      const leads = await Promise.all(this.operators.map(isLeader));
      leader = this.operators.find((_, index) => leads[index]);
      return leader !== undefined;
    });
    return leader!;
  }

  private async supervise(operator: OperatorProcess): Promise<void> {
    for (;;) {
      await operator.exited;
      if (this.stopping) return;
      // The operator may be killed while it starts.
      await operator.restart().catch(() => {});
    }
  }
}

async function isLeader({ port }: OperatorProcess): Promise<boolean> {
  try {
    const { body } = await request(`http://127.0.0.1:${port}/metrics`);
    return /^leader_election_master_status(\{[^}]*\})? 1$/m.test(await body.text());
  } catch {
    return false;
  }
}
