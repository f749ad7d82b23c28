import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { objectsIn } from '../../support/cluster/helm.js';

const FOLDER = 'deploy/k8s';
const KUSTOMIZATION = 'kustomization.yaml';

const read = (file: string) => readFileSync(`${FOLDER}/${file}`, 'utf8');

/** The file is written manually, so it can differ from the chart. */
describe('deploy/k8s/kustomization.yaml', () => {
  const { resources, images } = parse(read(KUSTOMIZATION)) as {
    resources: string[];
    images: { name: string; newTag: string }[];
  };

  it('lists every manifest of its folder', () => {
    const manifests = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml') && name !== KUSTOMIZATION);
    assert.deepEqual(resources.toSorted(), manifests.toSorted());
  });

  it('has the image of the Deployment of the operator, so that Kustomize can replace it', () => {
    const deployment = objectsIn(read('operator.yaml')).find(({ kind }) => kind === 'Deployment')!;
    const { containers } = (deployment.spec as { template: { spec: { containers: { image: string }[] } } })
      .template.spec;
    assert.deepEqual(
      images.map(({ name, newTag }) => `${name}:${newTag}`),
      containers.map(({ image }) => image),
    );
  });
});
