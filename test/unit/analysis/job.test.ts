import assert from 'node:assert/strict';
import { analysisJob, analysisJobName, isAnalysisJob } from '../../../operator/analysis/job-object.js';
import type { Request } from '../../../operator/analysis/providers/provider.js';
import { migrationView } from '../../../operator/migrations/migration-view.js';
import { unwantedObjects } from '../../../operator/reconciler/desired.js';
import { observe } from '../../../operator/reconciler/observe.js';
import { EMPTY_CLUSTER } from '../../../operator/reconciler/render.js';
import { JobKind } from '../../../operator/resources/kinds.js';
import { podSelector } from '../../../operator/resources/metadata.js';
import type { KubeObject } from '../../../operator/runtime/kube-types.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { analysisOf, iso, plannedMetric, START, subject } from './metrics-under-test.js';

describe('analysisJob', () => {
  const api = pcfApi();
  const metric = plannedMetric({ name: 'smoke', query: undefined, max: undefined, job: { args: ['smoke'] } });
  const due = { name: 'smoke', since: iso(START), number: 2 };
  const analysis = analysisOf({ metrics: [metric.spec] });
  const request: Request = { api, analysis, subject, metric, due, at: START };
  const job = analysisJob(request) as KubeObject & { spec: Record<string, never> };

  it('has a name that is unique per measurement and short enough for a label', () => {
    assert.equal(job.metadata.name, analysisJobName('api-new', { ...due }));
    assert.notEqual(job.metadata.name, analysisJobName('api-new', { ...due, number: 3 }));
    assert.notEqual(job.metadata.name, analysisJobName('api-new', { ...due, since: iso(START + 1) }));
    const longest = `${'n'.repeat(40)}-${'h'.repeat(10)}`;
    assert.ok(analysisJobName(longest, due).length <= 63);
  });

  it('runs once, without a service account, and is not selected as an API pod', () => {
    const { backoffLimit, template } = job.spec as unknown as {
      backoffLimit: number;
      template: { metadata: { labels: Record<string, string> }; spec: Record<string, unknown> };
    };
    assert.deepEqual(
      [backoffLimit, template.spec.restartPolicy, template.spec.automountServiceAccountToken],
      [0, 'Never', false],
    );
    const { labels } = template.metadata;
    assert.ok(Object.entries(podSelector(api)).every(([key, value]) => labels[key] !== value));
    assert.equal(template.spec.serviceAccountName, undefined);
  });

  it('is not treated as a migration Job or as an unwanted object', () => {
    const complete = { ...job, status: { conditions: [{ type: 'Complete', status: 'True' }] } };
    assert.equal(isAnalysisJob(complete), true);
    assert.equal(migrationView(api, 'api-new', [complete], []).state, 'Pending');
    const observed = observe(api, {
      ...EMPTY_CLUSTER,
      ownedBy: (type) => (type === JobKind ? [complete] : []),
    });
    assert.equal(observed.owned.length, 1);
    assert.deepEqual(unwantedObjects(observed, [], { position: {} }), []);
  });
});
