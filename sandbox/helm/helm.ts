/** Helm from the PATH or the cache, or built from its Go module. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { Progress } from '../process/go-build.js';
import { type GoProgram, goProgram } from '../process/go-program.js';
import { VERSIONS } from '../versions.js';

/** Path of the helm program. Throws an error with a remedy if it is not available. */
export async function resolveHelm(progress: Progress, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const onPath = (env.PATH ?? '').split(delimiter).filter(Boolean);
  const installed = onPath.map((folder) => join(folder, 'helm')).find(isExecutable);
  if (installed) return installed;
  try {
    return await goProgram(PROGRAM, progress, env);
  } catch (error) {
    throw new Error(
      `no Helm could be had: ${(error as Error).message}. Install Helm 4, or Go 1.26 or newer.`,
    );
  }
}

const PROGRAM: GoProgram = {
  name: 'helm',
  version: VERSIONS.helm,
  what: `building Helm ${VERSIONS.helm} with Go, once, some 3 minutes on 2 cores`,
  packages: 1_184,
  source: 'sandbox/helm',
  target: 'tool',
  ldflags: [`-X helm.sh/helm/v4/internal/version.version=${VERSIONS.helm}`],
};

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs helm with separate state. */
export class Helm {
  constructor(
    private readonly program: string,
    private readonly stateDir: string,
    private readonly kubeconfig?: string,
  ) {}

  /** Resolves with stdout. Throws with stderr if it fails. */
  async run(args: readonly string[]): Promise<string> {
    const env = {
      PATH: process.env.PATH,
      // Cache of API discovery.
      HOME: this.stateDir,
      HELM_CACHE_HOME: join(this.stateDir, 'cache'),
      HELM_CONFIG_HOME: join(this.stateDir, 'config'),
      HELM_DATA_HOME: join(this.stateDir, 'data'),
      // Never uses the kubeconfig of the user.
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
