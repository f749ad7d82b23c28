/** Builds the all-in-one control plane with Go. Minutes, once; then it is in the cache. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { withLock } from '../process/lock.js';
import { VERSIONS } from '../versions.js';
import { PROGRAMS, type Progress, SOURCE } from './resolve.js';

/** Packages the build compiles, near enough for a progress figure: `go list -deps . | wc -l`. */
const PACKAGES = 2_738;

/** Builds into `folder`, atomically. If another process builds it already, waits for that one. */
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
  // The Go build cache of Kubernetes is 3.7 GB and of no further use: it goes with the lock.
  await goBuild(join(staging, 'control-plane'), join(scraps, 'gocache'), progress);
  for (const program of PROGRAMS) symlinkSync('control-plane', join(staging, program));
  rmSync(folder, { recursive: true, force: true });
  renameSync(staging, folder);
}

async function goBuild(output: string, cache: string, progress: Progress): Promise<void> {
  const version = (name: string) => `-X ${name}.gitVersion=${VERSIONS.kubernetes}`;
  const ldflags = [
    '-s',
    '-w',
    version('k8s.io/component-base/version'),
    version('k8s.io/client-go/pkg/version'),
  ].join(' ');
  const args = ['build', '-v', '-trimpath', '-buildvcs=false', '-ldflags', ldflags, '-o', output, '.'];
  const env = { ...process.env, CGO_ENABLED: '0', GOCACHE: cache, GOFLAGS: '' };
  const go = spawn('go', args, { cwd: SOURCE, env, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  const endIt = () => go.pid && process.kill(-go.pid, 'SIGKILL');
  process.once('exit', endIt);
  const report = new BuildReport(progress);
  try {
    createInterface({ input: go.stderr }).on('line', (line) => report.read(line));
    const code = await new Promise<number | null>((resolve, reject) => {
      go.once('error', () => reject(new Error('Go is not installed')));
      go.once('exit', resolve);
    });
    if (code !== 0) throw new Error(`go build failed: ${report.last}`);
  } finally {
    report.end();
    process.removeListener('exit', endIt);
  }
}

/** Turns what `go build -v` prints into a line of progress now and then: rarely where lines are kept. */
export class BuildReport {
  last = '';
  private compiled = 0;
  private downloaded = 0;
  private readonly startedAt = Date.now();
  private readonly timer: NodeJS.Timeout;

  constructor(progress: Progress, everyMs = process.stdout.isTTY ? 1_000 : 20_000) {
    this.timer = setInterval(() => progress(this.line()), everyMs);
    progress(this.line());
  }

  read(line: string): void {
    this.last = line;
    if (line.startsWith('go: downloading ')) this.downloaded += 1;
    // The name of a package, alone.
    else if (/^[\w./-]+$/.test(line)) this.compiled += 1;
  }

  line(): string {
    const seconds = Math.round((Date.now() - this.startedAt) / 1000);
    const what = `building Kubernetes ${VERSIONS.kubernetes} with Go, once, some 8 minutes on 2 cores`;
    if (this.compiled === 0) return `${what}: ${this.downloaded} modules downloaded, ${seconds} s`;
    const percent = Math.min(99, Math.round((100 * this.compiled) / PACKAGES));
    return `${what}: ${percent} % (${this.compiled} of ${PACKAGES} packages, ${seconds} s)`;
  }

  end(): void {
    clearInterval(this.timer);
  }
}
