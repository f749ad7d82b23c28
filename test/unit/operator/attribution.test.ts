import assert from 'node:assert/strict';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import type { PcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import type { DeliveryPosition } from '../../../operator/api/v1alpha1/status/delivery-position.js';
import type { Decision } from '../../../operator/delivery/delivery-plan.js';
import { decidingManager } from '../../../operator/reconciler/attribution.js';
import type { Observed } from '../../../operator/reconciler/observed.js';
import { deliverySpecOf } from '../../../operator/reconciler/strategies.js';
import { newRevision, type Revision } from '../../../operator/resources/revision.js';
import type { FieldSet } from '../../../operator/runtime/kube-types.js';
import { routerOf } from '../../../operator/traffic/index.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

describe('decidingManager', () => {
  const revision = (number: number, spec: Partial<PcfApiSpec> = {}, secrets?: string) =>
    newRevision(pcfApi(spec), number, secrets);
  const old = revision(1);
  const managed = (manager: string, fieldsV1: FieldSet, hour = 10) => ({
    ...{ manager, fieldsV1, time: `2026-11-23T${String(hour).padStart(2, '0')}:00:00Z` },
  });
  const sets = (...fields: string[]) => ({
    'f:spec': Object.fromEntries(fields.map((field) => [`f:${field}`, {}])),
  });
  const setsAnnotation = (request: string) => ({
    'f:metadata': { 'f:annotations': { '.': {}, [`f:pcf.dev/${request}`]: {} } },
  });
  const managerOf = (
    decision: Decision,
    revisions: Revision[],
    managedFields: PcfApi['metadata']['managedFields'],
    position: DeliveryPosition = {},
    target = decision.revision,
  ) => {
    const api = pcfApi();
    api.metadata.managedFields = managedFields;
    const byName = new Map([old, ...revisions].map((one) => [one.name, one]));
    return decidingManager(
      { api, revisions: byName, delivery: { target, position } } as unknown as Observed,
      decision,
    );
  };
  const promoted = (fresh: Revision, fields: PcfApi['metadata']['managedFields']) =>
    managerOf({ type: 'Promoted', revision: fresh.name }, [fresh], fields, {
      stable: old.name,
      update: fresh.name,
    });
  const flux = managed('flux', sets('image', 'database', 'traffic'), 9);

  it('returns the field manager that set the changed field of the revision: image, config or env', () => {
    const kubectl = managed('kubectl-edit', { 'f:spec': { 'f:config': { 'f:logging': { 'f:level': {} } } } });
    const pipeline = managed('pipeline', sets('env'), 8);
    const all = [flux, kubectl, pipeline];
    assert.equal(promoted(revision(2, { image: 'registry.example.com/pcf-api:2' }), all), 'flux');
    assert.equal(promoted(revision(2, { config: { logging: { level: 'debug' } } }), all), 'kubectl-edit');
    assert.equal(promoted(revision(2, { env: [{ name: 'A', value: 'b' }] }), all), 'pipeline');
  });

  it('returns the field manager of the last write if the changed field was removed', () => {
    const fresh = revision(2, { config: { logging: {} } });
    const position = { stable: fresh.name, update: old.name };
    const kubectl = managed('kubectl-edit', sets('replicas'));
    assert.equal(
      managerOf(
        { type: 'Promoted', revision: old.name, undone: fresh.name },
        [fresh],
        [flux, kubectl],
        position,
      ),
      'kubectl-edit',
    );
  });

  it('returns the field manager of the annotation that requests an abort or a retry', () => {
    const fresh = revision(2, { image: 'registry.example.com/pcf-api:2' });
    const fields = [
      flux,
      managed('pcf-cli', setsAnnotation('abort')),
      managed('someone', setsAnnotation('retry'), 11),
    ];
    const aborted = { type: 'Aborted', revision: fresh.name, reason: 'AbortRequested', message: '' } as const;
    assert.equal(managerOf(aborted, [fresh], fields), 'pcf-cli');
    const failed = { revision: fresh.name, reason: 'AbortRequested', message: '', at: '' };
    assert.equal(
      managerOf({ type: 'Started', revision: fresh.name }, [fresh], fields, { stable: old.name, failed }),
      'someone',
    );
    assert.equal(
      managerOf({ type: 'Started', revision: fresh.name }, [fresh], fields, { stable: old.name }),
      'flux',
    );
  });

  it('an approval has the user of the link, unless another field manager has set the request or the user', () => {
    const annotations = { 'pcf.dev/promote': 'id', 'pcf.dev/decided-by': 'ann' };
    const byLink = managed('pcf-approval-link', {
      'f:metadata': { 'f:annotations': { 'f:pcf.dev/promote': {}, 'f:pcf.dev/decided-by': {} } },
    });
    const approvedBy = (...managedFields: (typeof byLink)[]) => {
      const api = pcfApi();
      api.metadata = { ...api.metadata, annotations, managedFields };
      return deliverySpecOf(api, routerOf(api)).requests.decidedBy;
    };
    assert.equal(approvedBy(flux, byLink), 'ann');
    assert.equal(
      approvedBy(byLink, managed('kubectl-annotate', setsAnnotation('decided-by'), 11)),
      'kubectl-annotate',
    );
    assert.equal(
      approvedBy(byLink, managed('kubectl-annotate', setsAnnotation('promote'), 11)),
      'kubectl-annotate',
    );
  });

  it('returns the operator for a decision that no user requested', () => {
    const fresh = revision(2, { image: 'registry.example.com/pcf-api:2' });
    const aborted = { type: 'Aborted', revision: fresh.name, reason: 'CrashLoop', message: '' } as const;
    assert.equal(managerOf(aborted, [fresh], [flux]), 'pcf-operator');
    const [before, after] = [revision(2, {}, 'a'), revision(3, {}, 'b')];
    const rotated = { stable: before.name, update: after.name };
    assert.equal(
      managerOf({ type: 'Promoted', revision: after.name }, [before, after], [flux], rotated),
      'pcf-operator',
    );
  });

  it('returns the field manager of the spec that supersedes or cancels the revision', () => {
    const fresh = revision(2, { image: 'registry.example.com/pcf-api:2' });
    const next = revision(3, { env: [{ name: 'A', value: 'b' }], image: fresh.image });
    const fields = [flux, managed('kubectl', sets('env'))];
    const superseded = { type: 'Superseded', revision: fresh.name, by: next.name } as const;
    assert.equal(managerOf(superseded, [fresh, next], fields, {}, next.name), 'kubectl');
    const cancelled = { type: 'Cancelled', revision: fresh.name } as const;
    assert.equal(managerOf(cancelled, [fresh], fields, {}, old.name), 'flux');
  });

  it('returns undefined if the object has no managedFields', () => {
    assert.equal(promoted(revision(2, { image: 'a:2' }), undefined), undefined);
  });
});
