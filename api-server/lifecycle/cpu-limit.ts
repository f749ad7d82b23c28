/**
 * CPU limit of the container, from its cgroup. `os.availableParallelism` also multiplies it by
 * `cpu.weight`, which comes from the CPU request, so it returns too few cores in most pods.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Cores that the CPU limit allows; undefined without a limit. `root` is the mount point of cgroups. */
export function cpuLimit(root = '/sys/fs/cgroup'): number | undefined {
  const version2 = numbersIn(join(root, 'cpu.max'));
  const [quota, period] = version2 ?? [
    ...(numbersIn(join(root, 'cpu', 'cpu.cfs_quota_us')) ?? []),
    ...(numbersIn(join(root, 'cpu', 'cpu.cfs_period_us')) ?? []),
  ];
  // Without a limit, the quota is `max` in version 2, and -1 in version 1.
  return quota && period && quota > 0 ? quota / period : undefined;
}

/** Undefined when the file does not exist. */
function numbersIn(file: string): number[] | undefined {
  try {
    return readFileSync(file, 'utf8').trim().split(' ').map(Number);
  } catch {
    return undefined;
  }
}
