/** Builds the all-in-one control plane with Go. Minutes, once; then it is in the cache. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { VERSIONS } from '../versions.js';
import { PROGRAMS, type Progress, SOURCE } from './resolve.js';

/** Packages the build compiles, near enough for a progress figure. */
const PACKAGES = 2_050;
const STALE_LOCK_MS = 60 * 60_000;

/** Builds into `folder`, atomically. If another process builds it already, waits for that one. */
export async function build(folder: string, progress: Progress): Promise<void> {
  mkdirSync(dirname(folder), { recursive: true });
  const lock = `${folder}.lock`;
  if (!(await takeLock(lock, folder, progress))) return;
  const workspace = mkdtempSync(join(tmpdir(), 'pcf-go-build-'));
  try {
    const staging = join(dirname(folder), `.staging-${process.pid}`);
    mkdirSync(staging, { recursive: true });
    await goBuild(join(staging, 'control-plane'), workspace, progress);
    for (const program of PROGRAMS) symlinkSync('control-plane', join(staging, program));
    rmSync(folder, { recursive: true, force: true });
    renameSync(staging, folder);
  } finally {
    // The Go build cache of Kubernetes is 3.7 GB and of no further use.
    rmSync(workspace, { recursive: true, force: true });
    rmSync(lock, { recursive: true, force: true });
  }
}

/** A folder is a lock that every system makes atomically. False: another process finished the build. */
async function takeLock(lock: string, folder: string, progress: Progress): Promise<boolean> {
  const startedAt = Date.now();
  for (let told = false; ; told = true) {
    try {
      mkdirSync(lock);
      return true;
    } catch {
      if (existsSync(join(folder, 'control-plane'))) return false;
      const age = existsSync(lock) ? Date.now() - statSync(lock).mtimeMs : 0;
      if (age > STALE_LOCK_MS) rmSync(lock, { recursive: true, force: true });
      if (!told) progress('another process builds the control plane; waiting for it');
      if (Date.now() - startedAt > STALE_LOCK_MS)
        throw new Error(`waited an hour for ${lock}; remove it if nothing builds`);
      await sleep(1_000);
    }
  }
}

async function goBuild(output: string, workspace: string, progress: Progress): Promise<void> {
  const version = (name: string) => `-X ${name}.gitVersion=${VERSIONS.kubernetes}`;
  const ldflags = [
    '-s',
    '-w',
    version('k8s.io/component-base/version'),
    version('k8s.io/client-go/pkg/version'),
  ].join(' ');
  const startedAt = Date.now();
  const go = spawn(
    'go',
    ['build', '-v', '-trimpath', '-buildvcs=false', '-ldflags', ldflags, '-o', output, '.'],
    {
      cwd: SOURCE,
      env: { ...process.env, CGO_ENABLED: '0', GOCACHE: workspace, GOFLAGS: '' },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let compiled = 0;
  let last = '';
  createInterface({ input: go.stderr }).on('line', (line) => {
    last = line;
    if (/^[\w.-]+(\/|$)/.test(line) && !line.startsWith('go: ')) compiled += 1;
    const percent = Math.min(99, Math.round((100 * compiled) / PACKAGES));
    const seconds = Math.round((Date.now() - startedAt) / 1000);
    progress(
      `building Kubernetes ${VERSIONS.kubernetes} with Go, once: ${percent} % (${compiled} packages, ${seconds} s)`,
    );
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    go.once('error', () => reject(new Error('Go is not installed')));
    go.once('exit', resolve);
  });
  if (code !== 0) throw new Error(`go build failed: ${last}`);
}
