/**
 * `npm run test:real`: builds real parts once, then runs the scenarios in separate namespaces
 * (network, mount, PID), which are removed after the run. Needs root on Linux.
 * `npm run test:real cluster`, `compose` and `gitops` run one group; further arguments are Mocha's.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { removeCgroups } from './cluster/cgroups.js';
import { buildDockerParts, removeDockerFiles } from './compose/parts.js';
import { buildGitOpsParts } from './gitops/parts.js';
import { buildImages } from './parts/images.js';
import { STATE_DIR, writeParts } from './parts/parts-file.js';
import { resolvePrograms } from './parts/programs.js';

/** What these tests do not cover, and why. */
const NOT_COVERED = [
  "NetworkPolicies: no CNI plugin among Debian's packages enforces them",
  "callers inside the mesh: sidecars and ambient need an Envoy or a ztunnel of Istio's own build",
  'DNS names of Services: there is no DNS server, clients and pods use addresses',
  'cert-manager, External Secrets Operator, VerticalPodAutoscaler: only their CRDs are installed',
  "Compose: the official images of PostgreSQL, Redis, Envoy and Prometheus, in whose place are this machine's programs; Grafana; `--build`",
  'Docker Swarm: several nodes; ingress networks, which need IPVS in the kernel, and encrypted networks, which need ESP',
];

interface Group {
  isMember(file: string): boolean;
  build(): Promise<void>;
  /** Removes files that scenarios leave when they are killed. */
  cleanUp?(): void;
}

const startedAt = Date.now();
const progress = (message: string) =>
  console.error(`${Math.round((Date.now() - startedAt) / 1000)} s: ${message}`);

/** Each has its own namespaces: dockerd replaces firewall rules that the cluster needs. */
const GROUPS: Record<string, Group> = {
  cluster: {
    isMember: (file) => !/compose|gitops/.test(file),
    build: async () => {
      const programs = await resolvePrograms(progress);
      const images = await buildImages(join(STATE_DIR, 'images'), programs.envoy, progress);
      writeParts({ programs, images });
    },
  },
  compose: {
    isMember: (file) => file.includes('compose'),
    build: () => buildDockerParts(progress),
    cleanUp: removeDockerFiles,
  },
  gitops: {
    isMember: (file) => file.includes('gitops'),
    build: () => buildGitOpsParts(progress),
  },
};

if (process.platform !== 'linux' || process.getuid?.() !== 0) {
  console.error('npm run test:real needs Linux and root: it starts containers');
  process.exit(2);
}
const [first = '', ...rest] = process.argv.slice(2);
const isNamed = first in GROUPS;
const names = isNamed ? [first] : Object.keys(GROUPS);
const mochaArgs = isNamed ? rest : process.argv.slice(2);
for (const name of names) await GROUPS[name]!.build();
for (const line of NOT_COVERED) progress(`not covered: ${line}`);
const statuses = names.map(runScenarios);
process.exit(statuses.find((status) => status !== 0) ?? 0);

function runScenarios(name: string): number {
  removeCgroups();
  progress(`starting the scenarios: ${name}`);
  const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const files = readdirSync('dist/test/real').filter((file) => file.endsWith('.test.js'));
  const mocha = [
    'node_modules/mocha/bin/mocha.js',
    ...mochaArgs,
    ...files.filter(GROUPS[name]!.isMember).map((file) => join('dist/test/real', file)),
  ];
  const { status } = spawnSync('unshare', [...namespaces, process.execPath, ...mocha], { stdio: 'inherit' });
  removeCgroups();
  GROUPS[name]!.cleanUp?.();
  progress(`finished the scenarios: ${name}`);
  return status ?? 1;
}
