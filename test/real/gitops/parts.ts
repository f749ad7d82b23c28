/** Programs of the scenarios with Argo CD, and the file that passes their paths on. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { resolveControlPlane } from '../../../sandbox/control-plane/resolve.js';
import { customResourceDefinitions } from '../../../sandbox/crds.js';
import type { Progress } from '../../../sandbox/process/go-build.js';
import { type GoProgram, goProgram } from '../../../sandbox/process/go-program.js';
import { VERSIONS } from '../../../sandbox/versions.js';
import { systemProgram } from '../../support/processes/system-program.js';

export const GITOPS_STATE_DIR = '.sandbox/real-gitops';
const FILE = join(GITOPS_STATE_DIR, 'parts.json');

export interface GitOpsParts {
  /** Folder with `argocd-repo-server` and `argocd-application-controller`. */
  argoCd: string;
}

const ARGO_CD: GoProgram = {
  name: 'argocd',
  version: VERSIONS.argoCd,
  what: 'building the repo server and the application controller of Argo CD with Go, once',
  packages: 1_700,
  source: 'test/real/parts/argocd',
  target: '.',
  ldflags: [],
  aliases: ['argocd-repo-server', 'argocd-application-controller'],
};

/** Program and the Debian package that has it. */
const SYSTEM: Record<string, string> = { git: 'git', 'redis-server': 'redis-server', unshare: 'util-linux' };

/** Whose CRDs the scenarios install. */
const PROJECTS = ['istio', 'argoCd'] as const;

/** Builds what is missing. Throws an error that lists missing Debian packages. */
export async function buildGitOpsParts(progress: Progress): Promise<void> {
  const missing = Object.entries(SYSTEM).filter(([program, name]) => !systemProgram(program, name));
  if (missing.length > 0)
    throw new Error(`install these Debian packages: ${missing.map(([, name]) => name).join(' ')}`);
  await resolveControlPlane(progress);
  // Cached for the scenarios, which have no route to the outside.
  for (const project of PROJECTS) await customResourceDefinitions(project);
  const parts: GitOpsParts = { argoCd: dirname(await goProgram(ARGO_CD, progress)) };
  mkdirSync(GITOPS_STATE_DIR, { recursive: true });
  writeFileSync(FILE, JSON.stringify(parts));
}

export function readGitOpsParts(): GitOpsParts {
  return JSON.parse(readFileSync(FILE, 'utf8')) as GitOpsParts;
}
