/** Control groups for the pods of each node: kubelets that share one would remove each other's pods. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';
const OURS = 'pcf-real';

/** Creates the group of a node. Returns its name, as the kubelet expects it. */
export function createCgroup(node: string): string {
  for (const hierarchy of hierarchies()) {
    for (const name of [OURS, join(OURS, node)]) createIn(hierarchy, name);
  }
  return `/${OURS}/${node}`;
}

/** Removes the groups of an earlier run. Its processes terminated with its PID namespace. */
export function removeCgroups(): void {
  // runc creates groups in the unified hierarchy too.
  for (const hierarchy of [...hierarchies(), join(ROOT, 'unified')]) removeTree(join(hierarchy, OURS));
}

/** cgroup v2 has one hierarchy, v1 one per controller. */
function hierarchies(): string[] {
  if (existsSync(join(ROOT, 'cgroup.controllers'))) return [ROOT];
  return readdirSync(ROOT)
    .map((name) => join(ROOT, name))
    .filter((path) => existsSync(join(path, 'tasks')));
}

function createIn(hierarchy: string, name: string): void {
  const group = join(hierarchy, name);
  const parent = join(group, '..');
  mkdirSync(group, { recursive: true });
  const inherit = (file: string) => writeFileSync(join(group, file), readFileSync(join(parent, file)));
  if (existsSync(join(group, 'cpuset.mems')) && existsSync(join(group, 'tasks')))
    for (const file of ['cpuset.cpus', 'cpuset.mems']) inherit(file);
  if (!existsSync(join(group, 'cgroup.controllers'))) return;
  const controllers = readFileSync(join(parent, 'cgroup.controllers'), 'utf8').trim().split(' ');
  for (const controller of controllers)
    writeFileSync(join(parent, 'cgroup.subtree_control'), `+${controller}`);
}

function removeTree(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) removeTree(path);
  }
  rmdirSync(folder);
}
