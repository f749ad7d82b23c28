import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import { Helm, resolveHelm } from '../../../sandbox/helm/helm.js';

/** Includes a build of Helm. */
export const HELM_TIMEOUT_MS = 15 * 60_000;

export interface TestHelm {
  helm: Helm;
  remove: () => void;
}

/** Helm with a temporary state folder, which `remove` deletes. Call it from a hook, because it may build Helm. */
export async function testHelm(kubeconfig?: string): Promise<TestHelm> {
  const program = await resolveHelm(console.error);
  const stateDir = mkdtempSync(join(tmpdir(), 'pcf-helm-'));
  return {
    helm: new Helm(program, stateDir, kubeconfig),
    remove: () => rmSync(stateDir, { recursive: true, force: true }),
  };
}

/** The objects in a text with YAML documents. */
export function objectsIn(text: string): KubeObject[] {
  const documents = parseAllDocuments(text, { version: '1.1' });
  return documents
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);
}
