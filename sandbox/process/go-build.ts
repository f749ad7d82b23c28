/** Builds a program with Go, with progress output. Deletes all files of the build. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { within } from './within.js';

/** Ten times the duration of the largest build. */
const LIMIT_MS = 80 * 60_000;

export type Progress = (message: string) => void;

export interface GoBuild {
  /** Name and duration of the build, for the progress output. */
  what: string;
  /** Approximate number of packages, for the progress: `go list -deps . | wc -l`. */
  packages: number;
  /** Folder of go.mod. */
  source: string;
  /** Package to build: `.` or `tool`. */
  target: string;
  ldflags: readonly string[];
  output: string;
  /** Build cache of Go: several GB that are not reused, in a temporary folder. */
  cache: string;
}

/** Resolves when the program `output` is built. If the go command fails, throws the last lines that it printed. */
export async function goBuild(options: GoBuild, progress: Progress): Promise<void> {
  const { source, target, ldflags, output, cache } = options;
  const flags = ['-s', '-w', ...ldflags].join(' ');
  const args = ['build', '-v', '-trimpath', '-buildvcs=false', '-ldflags', flags, '-o', output, target];
  const env = { ...process.env, CGO_ENABLED: '0', GOCACHE: cache, GOFLAGS: '' };
  const go = spawn('go', args, { cwd: source, env, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  const endIt = () => go.pid && process.kill(-go.pid, 'SIGKILL');
  process.once('exit', endIt);
  const report = new BuildReport(options, progress);
  try {
    createInterface({ input: go.stderr }).on('line', (line) => report.read(line));
    const exited = new Promise<number | null>((resolve, reject) => {
      go.once('error', () => reject(new Error('Go is not installed')));
      go.once('exit', resolve);
    });
    const code = await within('go build exits', exited, LIMIT_MS);
    if (code !== 0) throw new Error(`go build failed: ${report.last}`);
  } finally {
    if (go.exitCode === null && go.signalCode === null) endIt();
    report.end();
    process.removeListener('exit', endIt);
  }
}

/** Converts the output of `go build -v` to progress lines, rarely if the output is not a terminal. */
export class BuildReport {
  last = '';
  private compiled = 0;
  private downloaded = 0;
  private readonly startedAt = Date.now();
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly build: Pick<GoBuild, 'what' | 'packages'>,
    progress: Progress,
    everyMs = process.stdout.isTTY ? 1_000 : 20_000,
  ) {
    this.timer = setInterval(() => progress(this.line()), everyMs);
    progress(this.line());
  }

  read(line: string): void {
    this.last = line;
    if (line.startsWith('go: downloading ')) this.downloaded += 1;
    // A package name.
    else if (/^[\w./-]+$/.test(line)) this.compiled += 1;
  }

  line(): string {
    const seconds = Math.round((Date.now() - this.startedAt) / 1000);
    const { what, packages } = this.build;
    if (this.compiled === 0) return `${what}: ${this.downloaded} modules downloaded, ${seconds} s`;
    const percent = Math.min(99, Math.round((100 * this.compiled) / packages));
    return `${what}: ${percent} % (${this.compiled} of ${packages} packages, ${seconds} s)`;
  }

  end(): void {
    clearInterval(this.timer);
  }
}
