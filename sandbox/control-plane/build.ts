/** Builds the control plane with Go, which takes some minutes. The result is cached. */
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { goBuild, type Progress } from '../process/go-build.js';
import { withLock } from '../process/lock.js';
import { VERSIONS } from '../versions.js';
import { PROGRAMS, SOURCE } from './programs.js';

/** Builds into `folder`, atomically. Waits if another process is already building it. */
export async function build(folder: string, progress: Progress): Promise<void> {
  mkdirSync(dirname(folder), { recursive: true });
  const lock = `${folder}.building`;
  const wait = () => progress('another process builds the control plane; waiting for it');
  await withLock(lock, () => buildUnlessThere(folder, lock, progress), wait);
}

async function buildUnlessThere(folder: string, scraps: string, progress: Progress): Promise<void> {
  if (existsSync(join(folder, 'control-plane'))) return;
  const staging = join(scraps, 'bin');
  mkdirSync(staging);
  const version = (name: string) => `-X ${name}.gitVersion=${VERSIONS.kubernetes}`;
  await goBuild(
    {
      what: `building Kubernetes ${VERSIONS.kubernetes} with Go, once, some 8 minutes on 2 cores`,
      packages: 2_738,
      source: SOURCE,
      target: '.',
      ldflags: [version('k8s.io/component-base/version'), version('k8s.io/client-go/pkg/version')],
      output: join(staging, 'control-plane'),
      // 3.7 GB, deleted with the lock.
      cache: join(scraps, 'gocache'),
    },
    progress,
  );
  for (const program of PROGRAMS) symlinkSync('control-plane', join(staging, program));
  rmSync(folder, { recursive: true, force: true });
  renameSync(staging, folder);
}
