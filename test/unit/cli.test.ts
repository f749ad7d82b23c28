import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readManifests } from '../../cli/manifest.js';
import { age, table } from '../../cli/output.js';
import { screen } from '../../cli/status/screen.js';
import type { PcfApiStatus } from '../../operator/api/v1alpha1/status.js';
import { pcfApi } from '../support/fixtures/fixtures.js';

describe('kubectl-pcf', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pcf-cli-'));
  after(() => rmSync(folder, { recursive: true }));

  function file(text: string): string {
    const path = join(folder, 'pcfapi.yaml');
    writeFileSync(path, text);
    return path;
  }

  const manifest = (spec: string) =>
    file(`apiVersion: pcf.dev/v1alpha1\nkind: PcfApi\nmetadata: { name: api }\nspec: ${spec}\n`);
  const good = `image: a, database: { secretRef: { name: s } }`;

  it('reads every PcfApi in a file, skips other objects, and sets the defaults of the schema', () => {
    const path = file(
      `apiVersion: v1\nkind: Secret\nmetadata: { name: s }\n---\napiVersion: pcf.dev/v1alpha1\nkind: PcfApi\nmetadata: { name: api }\nspec: { ${good} }\n`,
    );
    const [api, ...others] = readManifests(path, { fallback: 'platform' });
    assert.deepEqual(others, []);
    assert.equal(api?.metadata.namespace, 'platform');
    assert.equal(api?.spec.environment, 'production');
  });

  for (const [what, [text, message]] of Object.entries({
    'a misspelt field': [`{ ${good}, replcas: 2 }`, /spec\.replcas: .*did you mean replicas\?/],
    'a misspelt nested field': [
      `{ ${good}, traffic: { provdier: None } }`,
      /spec\.traffic\.provdier: .*provider\?/,
    ],
    'a misspelt field in a list': [
      `{ ${good}, env: [{ name: A, valu: b }] }`,
      /spec\.env\.0\.valu: .*value\?/,
    ],
    'a value out of range': [`{ ${good}, canaryWeight: 101 }`, /spec\.canaryWeight: .*got 101/],
    'a missing field': ['{ image: a }', /spec\.database/],
    'an Off that YAML 1.1 parses as false': [
      `{ ${good}, autoscaling: { vertical: { mode: Off } } }`,
      /spec\.autoscaling\.vertical\.mode: .*got false/,
    ],
  } satisfies Record<string, [string, RegExp]>)) {
    it(`rejects ${what} with its path`, () => assert.throws(() => readManifests(manifest(text)), message));
  }

  it('rejects a --namespace that differs from the namespace of the manifest, as kubectl does', () => {
    const path = file(
      `apiVersion: pcf.dev/v1alpha1\nkind: PcfApi\nmetadata: { name: api, namespace: platform }\nspec: { ${good} }\n`,
    );
    assert.equal(readManifests(path, { requested: 'platform' })[0]?.metadata.namespace, 'platform');
    assert.throws(() => readManifests(path, { requested: 'half' }), /api is in namespace platform, not half/);
  });

  it('fails with a message when a file contains no PcfApi, does not exist or is invalid YAML', () => {
    assert.throws(() => readManifests(file('kind: Secret\n')), /contains no PcfApi/);
    assert.throws(() => readManifests(join(folder, 'nowhere')), /can't be read: ENOENT/);
    assert.throws(() => readManifests(file('a: [')), /pcfapi\.yaml: /);
  });

  it('aligns columns that contain colour codes', () => {
    const text = table(['A', 'LONGER'], [['\u001b[31mred\u001b[39m', 'x']]);
    assert.equal(text, 'A     LONGER\n\u001b[31mred\u001b[39m   x');
  });

  it('prints ages as kubectl does', () => {
    const now = Date.parse('2026-11-23T12:00:00Z');
    const ages = ['11:59:01', '11:30:00', '06:00:00'].map((time) => age(`2026-11-23T${time}Z`, now));
    assert.deepEqual(ages, ['59s', '30m', '6h']);
    assert.equal(age('2026-11-20T12:00:00Z', now), '3d');
    assert.equal(age('2026-11-23T12:00:09Z', now), '0s', 'the clock of the server is ahead');
  });

  it('prints the desired weight, the effective weight, the reason for a difference, and the remedy of a problem', () => {
    const api = pcfApi();
    api.status = {
      observedGeneration: 2,
      phase: 'Progressing',
      stableRevision: 'api-old',
      updateRevision: 'api-new',
      step: { index: 1, of: 3, weight: 50, waitingFor: 'manual promotion: kubectl pcf promote' },
      traffic: {
        ...{ desiredWeight: 50, effectiveWeight: 33, verified: true },
        ...{ reason: '1 of 3 pods are ready', stickyCookie: 'pcf-api' },
      },
      revisions: [
        { name: 'api-old', image: 'a:1', replicas: 3, readyReplicas: 3, weight: 67 },
        { name: 'api-new', image: 'a:2', replicas: 2, readyReplicas: 1, weight: 33 },
      ],
      conditions: [
        {
          type: 'Degraded',
          status: 'True',
          reason: 'CRDMissing',
          message: 'the cluster lacks X',
          lastTransitionTime: '2026-11-23T12:00:00Z',
        },
      ],
    };
    const text = screen({ api, pods: [], events: [], outdatedTemplate: false });
    assert.match(text, /the operator has not observed the last edit yet/);
    assert.match(text, /api-new +canary +a:2 +1\/2 .* 33 %/);
    assert.match(text, /desired 50 %, effective 33 %: 1 of 3 pods are ready/);
    assert.match(text, /sticky users: the weight is their share, by cookie pcf-api/);
    assert.match(text, /step 2 of 3: 50 %, waiting for manual promotion/);
    assert.match(text, /To fix\n {2}the cluster lacks X/);
  });

  it('status prints estimate and interval of a sequential test, and what the analysis waits for', () => {
    const api = pcfApi();
    const counts = { measurements: 3, failures: 0, inconclusive: 3, errors: 0, inARow: 3 };
    const since = '2026-11-23T12:00:00Z';
    const sequential = {
      ...{ since, estimate: 0.00312, lower: -0.001, upper: 0.0145, minEffect: 0.01 },
      ...{ requests: 1_512, stableRequests: 30_000, evidence: 0, earlierEvidence: 0, history: [] },
      detectable: 0.0173,
    };
    const message = '0.996, stable has 0.999; passes below 0.01, fails above 0';
    const metric = {
      name: 'success-rate',
      verdict: 'Running' as const,
      message,
      bound: 'b',
      since,
      ...counts,
    };
    const metrics = [{ ...metric, value: '0.996', stableValue: '0.999', sequential }];
    const verdict = { verdict: 'Running' as const, message: `success-rate: ${message}` };
    api.status = { analysis: { revision: 'api-new', ...verdict, metrics } };
    const text = screen({ api, pods: [], events: [], outdatedTemplate: false });
    assert.match(text, /Analysis\n {2}Running: success-rate: .*passes below 0\.01, fails above 0\n/);
    assert.match(
      text,
      /success-rate +Running +0\.996 +0\.999 +failed requests \+0\.312 percentage points \(from -0\.1 to \+1\.45\), 1,512 requests; at this traffic, \+1\.73 or more can be detected within the time budget, not \+1$/m,
    );
  });

  describe('status of a PcfApi that is being deleted', () => {
    const deleted = (finalizers: string[], status?: PcfApiStatus) => {
      const api = pcfApi();
      Object.assign(api.metadata, { deletionTimestamp: '2026-11-23T12:00:00Z', finalizers });
      api.status = status;
      return screen({ api, pods: [], events: [], outdatedTemplate: false });
    };

    it('prints the finalizer and the command that removes it while no operator has reported the deletion', () => {
      const text = deleted(['pcf.dev/cleanup', 'example.com/keep'], { phase: 'Ready' });
      assert.match(text, /api in platform {3}Deleting\n/);
      assert.match(
        text,
        /since 2026-11-23T12:00:00Z; waiting for the operator, .* finalizer pcf\.dev\/cleanup/,
      );
      assert.match(
        text,
        /kubectl patch pcf api -n platform .*{"metadata":{"finalizers":\["example\.com\/keep"\]}}/,
      );
    });

    it('prints the message of the operator, or the finalizers of other controllers', () => {
      const lastTransitionTime = '2026-11-23T12:00:00Z';
      const ready = { type: 'Ready', status: 'False' as const, reason: 'Deleting', lastTransitionTime };
      const message = 'being deleted since 2026-11-23T12:00:00Z, blocked: routes are frozen';
      const status: PcfApiStatus = { phase: 'Deleting', conditions: [{ ...ready, message }] };
      assert.match(deleted(['pcf.dev/cleanup'], status), /routes are frozen\nthe operator must run/);
      assert.match(
        deleted(['pcf.dev/cleanup'], status),
        /if the operator is uninstalled, .* kubectl patch pcf api /,
      );
      assert.match(deleted(['example.com/keep'], status), /waiting for the finalizers example\.com\/keep/);
    });
  });
});
