/** Helm: the one on the PATH, else the one in the cache, else built from its Go module. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../process/cache-folder.js';
import { goBuild, type Progress } from '../process/go-build.js';
import { withLock } from '../process/lock.js';
import { VERSIONS } from '../versions.js';

/** Where the go.mod that pins Helm is, from the repository's root. */
const SOURCE = 'sandbox/helm';

/** The path of a helm program. Throws an error that says what to do when none can be had. */
export async function resolveHelm(progress: Progress, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const onPath = (env.PATH ?? '').split(delimiter).filter(Boolean);
  const installed = onPath.map((folder) => join(folder, 'helm')).find(isExecutable);
  if (installed) return installed;
  const program = join(cacheFolder(env), 'helm', cacheKey(), 'helm');
  if (!existsSync(program)) await build(program, progress);
  return program;
}

/** Builds `program`, atomically. If another process builds it already, waits for that one. */
async function build(program: string, progress: Progress): Promise<void> {
  const folder = dirname(program);
  mkdirSync(dirname(folder), { recursive: true });
  const lock = `${folder}.building`;
  const build = async () => {
    if (existsSync(program)) return;
    const staging = join(lock, 'bin');
    mkdirSync(staging);
    await goBuild(options(join(staging, 'helm'), join(lock, 'gocache')), progress);
    renameSync(staging, folder);
  };
  try {
    await withLock(lock, build, () => progress('another process builds Helm; waiting for it'));
  } catch (error) {
    throw new Error(
      `no Helm could be had: ${(error as Error).message}. Install Helm 4, or Go 1.26 or newer.`,
    );
  }
}

const options = (output: string, cache: string) => ({
  what: `building Helm ${VERSIONS.helm} with Go, once, some 3 minutes on 2 cores`,
  packages: 1_184,
  source: SOURCE,
  target: 'tool',
  ldflags: [`-X helm.sh/helm/v4/internal/version.version=${VERSIONS.helm}`],
  output,
  cache,
});

function cacheKey(): string {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum']) hash.update(readFileSync(join(SOURCE, file)));
  return `${VERSIONS.helm}-${process.platform}-${process.arch}-${hash.digest('hex').slice(0, 12)}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs helm, with state of its own instead of the user's. */
export class Helm {
  constructor(
    private readonly program: string,
    private readonly stateDir: string,
    private readonly kubeconfig?: string,
  ) {}

  /** Resolves with what it printed. Throws with what it said on stderr when it fails. */
  async run(args: readonly string[]): Promise<string> {
    const env = {
      PATH: process.env.PATH,
      // For the client's own cache of what the API server has.
      HOME: this.stateDir,
      HELM_CACHE_HOME: join(this.stateDir, 'cache'),
      HELM_CONFIG_HOME: join(this.stateDir, 'config'),
      HELM_DATA_HOME: join(this.stateDir, 'data'),
      // Never the user's own cluster.
      KUBECONFIG: this.kubeconfig ?? '/dev/null',
    };
    try {
      const { stdout } = await promisify(execFile)(this.program, [...args], { env, maxBuffer: 64 << 20 });
      return stdout;
    } catch (error) {
      const { stderr, stdout, message } = error as { stderr?: string; stdout?: string; message: string };
      throw new Error(`helm ${args.join(' ')}: ${(stderr || stdout || message).trim()}`);
    }
  }
}
