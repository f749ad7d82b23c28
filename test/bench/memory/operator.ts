/** Memory of the operator with an increasing number of PcfApis. */
import { MemoryLimit } from '../../support/processes/memory-limit.js';
import { BenchCluster } from '../operator/cluster.js';
import { nodeArgsOfImage } from '../operator/node-args.js';
import type { Reading } from './roles.js';

export async function operator(counts: number[], limitMib: number): Promise<Reading[]> {
  await using limit = MemoryLimit.create(limitMib);
  const cluster = await BenchCluster.start([], nodeArgsOfImage());
  const readings: Reading[] = [];
  try {
    if (limit) await limit.around(() => cluster.sandbox.operator.restart());
    for (const count of counts) {
      await cluster.growTo(count);
      await cluster.deliver(`1.${count}.0`);
      const peak = await cluster.megabytes();
      await cluster.settled();
      const idle = await cluster.megabytes();
      readings.push({ role: `operator, ${count} PcfApis`, limit: limit ? limitMib : 0, idle, peak });
    }
    return readings;
  } finally {
    await cluster.stop();
  }
}
