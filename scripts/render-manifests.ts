/** `npm run generate:manifests`: writes deploy/k8s/, the rendered chart pcf-operator. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Helm, resolveHelm } from '../sandbox/helm/helm.js';
import { plainManifests } from './plain-manifests.js';

const helm = new Helm(await resolveHelm(console.error), join(tmpdir(), 'pcf-helm'));
for (const [path, text] of Object.entries(await plainManifests(helm))) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  console.log(`wrote ${path}`);
}
