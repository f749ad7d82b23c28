/**
 * `npm run test:real`: builds real parts once, then runs the scenarios in separate namespaces
 * (network, mount, PID), which are removed after the run. Needs root on Linux.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { removeCgroups } from './cluster/cgroups.js';
import { buildImages } from './parts/images.js';
import { STATE_DIR, writeParts } from './parts/parts-file.js';
import { resolvePrograms } from './parts/programs.js';

/** What these tests do not cover, and why. */
const NOT_COVERED = [
  "NetworkPolicies: no CNI plugin among Debian's packages enforces them",
  "callers inside the mesh: sidecars and ambient need an Envoy or a ztunnel of Istio's own build",
  'DNS names of Services: there is no DNS server, clients and pods use addresses',
  'cert-manager, External Secrets Operator, VerticalPodAutoscaler: only their CRDs are installed',
];

if (process.platform !== 'linux' || process.getuid?.() !== 0) {
  console.error('npm run test:real needs Linux and root: it starts containers');
  process.exit(2);
}
const startedAt = Date.now();
const progress = (message: string) =>
  console.error(`${Math.round((Date.now() - startedAt) / 1000)} s: ${message}`);

const programs = await resolvePrograms(progress);
const images = await buildImages(join(STATE_DIR, 'images'), programs.envoy, progress);
writeParts({ programs, images });
removeCgroups();
for (const line of NOT_COVERED) progress(`not covered: ${line}`);
progress('starting the scenarios');
const namespaces = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
const scenarios = readdirSync('dist/test/real').filter((name) => name.endsWith('.test.js'));
const mocha = [
  'node_modules/mocha/bin/mocha.js',
  ...process.argv.slice(2),
  ...scenarios.map((name) => join('dist/test/real', name)),
];
const { status } = spawnSync('unshare', [...namespaces, process.execPath, ...mocha], { stdio: 'inherit' });
removeCgroups();
process.exit(status ?? 1);
