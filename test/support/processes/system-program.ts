/** System programs that tests run: from PATH, or installed from Debian packages if possible. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Path of a program. Undefined if it is missing and can't be installed. Installation requires root and apt-get. */
export function systemProgram(program: string, debianPackage = program): string | undefined {
  return find(program) ?? install(program, debianPackage);
}

function install(program: string, debianPackage: string): string | undefined {
  const aptGet = find('apt-get');
  if (process.getuid?.() !== 0 || !aptGet) return undefined;
  // In runlevel 1 no package starts its service.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  // apt-get fails while another apt-get runs, and two processes of `npm test` may need a program.
  const lock = join(tmpdir(), 'pcf-test-apt-get.lock');
  const run = (...args: string[]) =>
    spawnSync('flock', ['--no-fork', lock, aptGet, ...args], { env, stdio: 'ignore', timeout: 360_000 })
      .status === 0;
  const add = () => run('install', '-y', '--no-install-recommends', debianPackage);
  if (!add() && !(run('update') && add())) return undefined;
  return find(program);
}

function find(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'].filter(Boolean);
  return folders.map((folder) => join(folder, program)).find((file) => existsSync(file));
}
