import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { objectsIn } from '../../support/cluster/helm.js';

const crd = parse(readFileSync('crds/pcf.dev_pcfapis.yaml', 'utf8')) as {
  spec: { group: string; names: { kind: string }; versions: { name: string; served: boolean }[] };
};
const { group, names, versions } = crd.spec;

describe('deploy/flux/pcf.yaml', () => {
  const objects = objectsIn(readFileSync('deploy/flux/pcf.yaml', 'utf8'));
  const specOf = (kind: string) => objects.find((object) => object.kind === kind)!.spec;

  it('accepts only charts that the release workflow signed for a tag', () => {
    const { verify } = specOf('OCIRepository') as {
      verify: { matchOIDCIdentity: { issuer: string; subject: string }[] };
    };
    const [identity, ...others] = verify.matchOIDCIdentity;
    assert.deepEqual(others, []);
    const workflow = '.github/workflows/release.yml';
    assert.ok(existsSync(workflow));
    const subject = new RegExp(identity!.subject);
    assert.match(`https://github.com/acme/pcf-operator/${workflow}@refs/tags/v1.2.3`, subject);
    for (const other of ['ci.yml@refs/tags/v1.2.3', 'release.yml@refs/heads/main'])
      assert.doesNotMatch(`https://github.com/acme/pcf-operator/.github/workflows/${other}`, subject);
    assert.doesNotMatch(`https://github.com/other/pcf-operator/${workflow}@refs/tags/v1.2.3`, subject);
  });

  it('waits for a PcfApi in a version that the CRD serves', () => {
    const { healthChecks } = specOf('Kustomization') as {
      healthChecks: { apiVersion: string; kind: string }[];
    };
    const served = versions.filter((version) => version.served).map(({ name }) => `${group}/${name}`);
    assert.ok(healthChecks.length > 0);
    for (const { apiVersion, kind } of healthChecks) {
      assert.equal(kind, names.kind);
      assert.ok(served.includes(apiVersion), apiVersion);
    }
  });
});

describe('deploy/argocd', () => {
  it('installs the health check under the key of the PcfApi, and into argocd-cm', () => {
    const { configMapGenerator } = parse(readFileSync('deploy/argocd/kustomization.yaml', 'utf8')) as {
      configMapGenerator: { name: string; files: string[] }[];
    };
    const key = `resource.customizations.health.${group}_${names.kind}`;
    assert.deepEqual(configMapGenerator, [{ name: 'argocd-cm', files: [`${key}=health.lua`] }]);
  });

  it('ignores only fields of the spec that engineers set in the cluster', () => {
    const [application] = objectsIn(readFileSync('deploy/argocd/application.yaml', 'utf8'));
    const { ignoreDifferences, syncPolicy } = application!.spec as {
      ignoreDifferences: { group: string; kind: string; jsonPointers: string[] }[];
      syncPolicy: { syncOptions: string[] };
    };
    assert.deepEqual(ignoreDifferences, [
      { group, kind: names.kind, jsonPointers: ['/spec/canaryWeight', '/spec/paused'] },
    ]);
    assert.ok(syncPolicy.syncOptions.includes('RespectIgnoreDifferences=true'));
  });
});
