import assert from 'node:assert/strict';
import type { RecordedSchemaCheck } from '../../../operator/api/v1alpha1/status/schema-check.js';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import type { Observation, RevisionView } from '../../../operator/delivery/observation.js';
import { plan } from '../../../operator/delivery/plan.js';
import { schemaMessage } from '../../../operator/delivery/schema-check.js';
import { deliverySettings } from '../../support/cluster/delivery-settings.js';

const now = Date.parse('2026-11-30T10:00:00Z');
const IMAGE = 'pcf-api:2.0.0';
const check: RecordedSchemaCheck = {
  inUse: [
    {
      coordinate: 'Service.owner',
      change: 'Service.owner was removed',
      clients: [
        { name: 'key:ci', lastUsedAt: '2026-11-29T08:00:00Z' },
        { name: 'user:1', application: 'dashboard', lastUsedAt: '2026-11-28T08:00:00Z' },
      ],
    },
  ],
};

const spec = (more: Partial<DeliverySpec> = {}): DeliverySpec => ({
  ...deliverySettings(),
  schemaCheck: { mode: 'Block', ignoreClients: [] },
  ...more,
});
const revision = (name: string, more: Partial<RevisionView> = {}): RevisionView => ({
  ...{ name, replicas: 3, ready: 3, migration: 'Succeeded', contracts: [], ahead: [] },
  ...more,
});
const observation = (
  more: Partial<Observation> = {},
  canary: Partial<RevisionView> = { schemaCheck: check },
): Observation => ({
  target: 'new',
  revisions: [revision('old', { image: 'pcf-api:1.0.0' }), revision('new', { image: IMAGE, ...canary })],
  position: { stable: 'old', update: 'new', startedAt: '2026-11-30T09:00:00Z', strategy: 'Canary' },
  route: { weights: { old: 100 }, service: 'old', header: 'new' },
  routeAgeMs: 60_000,
  startable: true,
  ...more,
});

describe('check of the GraphQL schema in a delivery', () => {
  for (const strategy of ['Canary', 'BlueGreen', 'RollingUpdate'] as const) {
    it(`holds the weight at 0 with pods for the header, ${strategy}`, () => {
      const settings = spec({ strategy, stages: [{ weight: 25, holdMs: 0, pause: false }] });
      const { traffic, route, position, replicas, step, schemaInUse } = plan(observation(), settings, now);
      assert.deepEqual([traffic.desiredWeight, traffic.effectiveWeight], [25, 0]);
      assert.deepEqual([route?.weights, route?.header], [{ old: 100 }, 'new']);
      assert.deepEqual([position.weight, position.step ?? 0, replicas.old], [0, 0, 3]);
      assert.ok(replicas.new! > 0);
      assert.match(step!.waitingFor!, /kubectl pcf schema approve/);
      assert.equal(schemaInUse?.approval, IMAGE);
      assert.equal(
        traffic.reason,
        'Service.owner was removed, and is used by key:ci, user:1 (dashboard), last at 2026-11-29T08:00:00Z',
      );
    });
  }

  it('holds the weight against canaryWeight 100 and a full promotion', () => {
    const id = 'new@2026-11-30T09:00:00Z/full';
    const settings = spec({ canaryWeight: 100, requests: { promote: id } });
    const { traffic, position } = plan(observation(), settings, now);
    assert.deepEqual([traffic.effectiveWeight, position.update], [0, 'new']);
  });

  it('continues after the approval of this image, and not of another one', () => {
    const weightWith = (approveSchema: string) =>
      plan(observation(), spec({ canaryWeight: 25, requests: { approveSchema } }), now).traffic
        .effectiveWeight;
    assert.deepEqual([weightWith(IMAGE), weightWith('pcf-api:1.9.0')], [25, 0]);
  });

  it('does not hold the weight with Warn, Off, ignored clients, or a revision that was stable before', () => {
    const cases: [string, Observation, Partial<DeliverySpec>][] = [
      ['Warn', observation(), { schemaCheck: { mode: 'Warn', ignoreClients: [] } }],
      ['Off', observation(), { schemaCheck: { mode: 'Off', ignoreClients: [] } }],
      ['ignored', observation(), { schemaCheck: { mode: 'Block', ignoreClients: ['key:ci', 'dashboard'] } }],
      ['undo', observation({ position: { ...observation().position, undo: true } }), {}],
      ['served', observation({ position: { ...observation().position, served: ['new'] } }), {}],
      ['nothing in use', observation({}, { schemaCheck: { inUse: [] } }), {}],
      ['no report', observation({}, {}), {}],
    ];
    for (const [what, given, more] of cases) {
      const { traffic } = plan(given, spec({ canaryWeight: 25, ...more }), now);
      assert.ok(traffic.effectiveWeight >= 25, `${what}: ${JSON.stringify(traffic)}`);
    }
    const before = revision('before', { image: IMAGE, replicas: 0, ready: 0 });
    const sameImage = observation({
      revisions: [before, ...observation().revisions],
      position: { ...observation().position, served: ['before'] },
    });
    assert.equal(plan(sameImage, spec({ canaryWeight: 25 }), now).traffic.effectiveWeight, 25);
    const partly = { mode: 'Block', ignoreClients: ['key:ci'] } as const;
    assert.equal(plan(observation(), spec({ schemaCheck: partly }), now).traffic.effectiveWeight, 0);
  });

  it('holds the weight in spite of ignored clients, if the report does not list all changes', () => {
    const ignored = spec({
      canaryWeight: 25,
      schemaCheck: { mode: 'Block', ignoreClients: ['key:ci', 'dashboard'] },
    });
    const cut = observation({}, { schemaCheck: { ...check, more: 1 } });
    assert.equal(plan(cut, ignored, now).traffic.effectiveWeight, 0);
  });

  it('holds the weight from the first reconcile of a delivery whose pods are still ready', () => {
    const { update: _, ...position } = observation().position;
    const { traffic, position: started } = plan(observation({ position }), spec(), now);
    assert.deepEqual([started.update, started.weight, traffic.effectiveWeight], ['new', 0, 0]);
  });

  it('records the report, so that the hold outlives the Job and its pod', () => {
    const { position } = plan(observation(), spec({ canaryWeight: 25 }), now);
    const later = observation({ position }, {});
    assert.equal(plan(later, spec({ canaryWeight: 25 }), now).traffic.effectiveWeight, 0);
    const again = observation({ position }, { schemaCheck: { inUse: [] } });
    assert.equal(plan(again, spec({ canaryWeight: 25 }), now).traffic.effectiveWeight, 25, 'a newer report');
  });

  it('serves with the new revision if no stable pod is ready', () => {
    const [old, canary] = observation().revisions;
    const given = observation({ revisions: [{ ...old!, ready: 0 }, canary!] });
    assert.equal(plan(given, spec({ canaryWeight: 25 }), now).traffic.effectiveWeight, 100);
  });

  it('the message counts further clients and changes', () => {
    const [change] = check.inUse;
    const more = { changes: [{ ...change!, moreClients: 4 }, change!], more: 3 };
    assert.match(schemaMessage(more), /dashboard\) and 4 more, last at .*; and 4 more changes$/);
  });
});
