/**
 * `npm run test:real`: builds real parts once, then runs the scenarios in namespaces of their own
 * (network, mounts, processes), which end with them. Needs root on Linux.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeCgroups } from './cluster/cgroups.js';
import { buildImages } from './parts/images.js';
import { resolvePrograms } from './parts/programs.js';

export const STATE_DIR = '.sandbox/real';

if (process.platform !== 'linux' || process.getuid?.() !== 0) {
  console.error('npm run test:real needs Linux and root: it starts containers');
  process.exit(2);
}
const startedAt = Date.now();
const progress = (message: string) =>
  console.error(`${Math.round((Date.now() - startedAt) / 1000)} s: ${message}`);

const programs = await resolvePrograms(progress);
const images = await buildImages(join(STATE_DIR, 'images'), programs.envoy, progress);
writeFileSync(join(STATE_DIR, 'parts.json'), JSON.stringify({ programs, images }));
removeCgroups();
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
rmSync(join(STATE_DIR, 'processes'), { force: true });
process.exit(status ?? 1);
