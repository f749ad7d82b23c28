import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { olmBundle } from '../../../scripts/olm-bundle.js';

interface Csv {
  metadata: { name: string };
  spec: {
    customresourcedefinitions: { owned: { name: string; kind: string }[] };
    install: {
      spec: {
        deployments: { name: string; spec: { template: { spec: { containers: { image: string }[] } } } }[];
        clusterPermissions: { rules: { resources: string[] }[] }[];
        permissions: { rules: { resources: string[] }[] }[];
      };
    };
  };
}

describe('bundle for OLM', () => {
  const manifests = ['crds', 'rbac', 'user-roles', 'operator'].map((name) =>
    readFileSync(`deploy/k8s/${name}.yaml`, 'utf8'),
  );
  const example = parse(readFileSync('deploy/samples/minimal.yaml', 'utf8')) as object;
  const release = {
    image: 'ghcr.io/acme/pcf-operator',
    version: '1.2.3',
    source: 'https://git.example.com/pcf',
  };
  const bundle = olmBundle(manifests, example, release);
  const csv = parse(bundle['manifests/pcf-operator.clusterserviceversion.yaml']!) as Csv;
  const resources = (permissions: { rules: { resources: string[] }[] }[]) =>
    permissions.flatMap(({ rules }) => rules).flatMap((rule) => rule.resources);

  it('has the version and the image of the release', () => {
    assert.equal(csv.metadata.name, 'pcf-operator.v1.2.3');
    const [deployment] = csv.spec.install.spec.deployments;
    assert.equal(deployment!.name, 'pcf-operator');
    assert.equal(deployment!.spec.template.spec.containers[0]!.image, 'ghcr.io/acme/pcf-operator:1.2.3');
  });

  it('grants what the plain manifests grant, the Lease only in the namespace of the operator', () => {
    const { clusterPermissions, permissions } = csv.spec.install.spec;
    assert.ok(resources(clusterPermissions).includes('pcfapis'));
    assert.deepEqual(resources(permissions), ['leases']);
    assert.ok(!resources(clusterPermissions).includes('leases'));
  });

  it('contains each CRD that it owns, and no object with a namespace', () => {
    const objects = Object.entries(bundle)
      .filter(([path]) => path.startsWith('manifests/'))
      .map(([, text]) => parse(text) as { kind: string; metadata: { name: string; namespace?: string } });
    const crds = objects
      .filter(({ kind }) => kind === 'CustomResourceDefinition')
      .map(({ metadata }) => metadata.name);
    assert.deepEqual(
      csv.spec.customresourcedefinitions.owned.map(({ name }) => name),
      crds,
    );
    assert.ok(crds.includes('pcfapis.pcf.dev'));
    assert.deepEqual(
      objects.filter(({ metadata }) => metadata.namespace),
      [],
    );
    const definition = parse(bundle['manifests/pcfapis.pcf.dev.customresourcedefinition.yaml']!);
    assert.equal(definition.metadata.labels['app.kubernetes.io/version'], '1.2.3');
  });
});
