/** Argo Rollouts, built from its Go module. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { goProgram } from '../../../sandbox/process/go-program.js';

const MODULE = 'github.com/argoproj/argo-rollouts';
export const ARGO_VERSION = 'v1.10.2';

export interface ArgoProgram {
  path: string;
  crds: KubeObject[];
}

/** The first call builds the program, which takes some minutes. The result is cached. */
export async function argoProgram(): Promise<ArgoProgram> {
  // Its go.mod can require a newer Go than the installed one, which Go then downloads.
  process.env.GOTOOLCHAIN = 'auto';
  const source = moduleFolder();
  const path = await goProgram(
    {
      name: 'rollouts-controller',
      version: ARGO_VERSION,
      what: `building Argo Rollouts ${ARGO_VERSION} with Go, once, some 6 minutes on 2 cores`,
      packages: 1_700,
      source,
      target: './cmd/rollouts-controller',
      ldflags: [`-X ${MODULE}/utils/version.version=${ARGO_VERSION}`],
    },
    console.error,
  );
  return { path, crds: crdsIn(join(source, 'manifests', 'crds')) };
}

function moduleFolder(): string {
  const args = ['mod', 'download', '-json', `${MODULE}@${ARGO_VERSION}`];
  const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore'];
  const output = execFileSync('go', args, { encoding: 'utf8', cwd: tmpdir(), stdio });
  return (JSON.parse(output) as { Dir: string }).Dir;
}

function crdsIn(folder: string): KubeObject[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('-crd.yaml'));
  return files.map((name) => parse(readFileSync(join(folder, name), 'utf8')) as KubeObject);
}
