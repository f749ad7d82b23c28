import assert from 'node:assert/strict';
import { KubeConfig } from '@kubernetes/client-node';
import { pino } from 'pino';
import { windowTable } from '../../../cli/window.js';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { windows } from '../../../operator/api/v1alpha1/spec/windows.js';
import { pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { OVERRIDE_ANNOTATIONS, requestedOverride } from '../../../operator/delivery/windows/override.js';
import { announcements } from '../../../operator/reconciler/announce.js';
import { Caches } from '../../../operator/reconciler/caches.js';
import { enqueueOnEvents } from '../../../operator/reconciler/enqueue.js';
import { WindowGates } from '../../../operator/reconciler/window-gates.js';
import { CacheSet } from '../../../operator/runtime/cache-set.js';
import { KubeClient, type KubeObject } from '../../../operator/runtime/kube-client.js';
import { matchesLabels } from '../../../operator/runtime/label-selector.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const NOW = Date.parse('2026-11-30T12:00:00Z');
const HOUR = 3_600_000;
const ALWAYS = { allow: [], freeze: [{ reason: 'INC-4711' }] };

const window = (name: string, spec: object, version = '1'): KubeObject => ({
  apiVersion: 'pcf.dev/v1alpha1',
  kind: 'PcfWindow',
  metadata: { name, uid: name, resourceVersion: version },
  spec: { allowOverride: true, applyTo: ['Start'], ...ALWAYS, ...spec },
});

/** Caches with a namespace `platform` of this environment, and the PcfApi. */
function cachesWith(environment = 'production', api = pcfApi()): Caches {
  const set = new CacheSet(new KubeClient(new KubeConfig()), pino({ level: 'silent' }));
  const caches = new Caches(set);
  caches.pcfApis.noteWrite({
    ...api,
    metadata: { ...api.metadata, resourceVersion: '1' },
  } as unknown as KubeObject);
  label(caches, environment, '1');
  return caches;
}

function label(caches: Caches, environment: string, resourceVersion: string): void {
  caches.windows!.namespaces.noteWrite({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'platform', uid: 'platform', resourceVersion, labels: { environment } },
  });
}

const overridden = (until: number, reason?: string, from = NOW): PcfApi => {
  const api = pcfApi();
  const annotations = {
    [OVERRIDE_ANNOTATIONS.from]: new Date(from).toISOString(),
    [OVERRIDE_ANNOTATIONS.until]: new Date(until).toISOString(),
    ...(reason === undefined ? {} : { [OVERRIDE_ANNOTATIONS.reason]: reason }),
  };
  return { ...api, metadata: { ...api.metadata, annotations } };
};

describe('PcfWindows', () => {
  const inProduction = { namespaceSelector: { matchLabels: { environment: 'production' } } };

  it('select the PcfApis of namespaces by label, and these by label', () => {
    const caches = cachesWith();
    const named = { selector: { matchExpressions: [{ key: 'tier', operator: 'In', values: ['gold'] }] } };
    for (const object of [window('b', inProduction), window('a', {}), window('c', named)])
      caches.windows!.windows.noteWrite(object);
    const names = (api: PcfApi) => caches.windows!.selecting(api).map(({ metadata }) => metadata.name);
    assert.deepEqual(names(pcfApi()), ['a', 'b']);
    const gold = pcfApi();
    gold.metadata.labels = { tier: 'gold' };
    assert.deepEqual(names(gold), ['a', 'b', 'c']);
    label(caches, 'staging', '2');
    assert.deepEqual(names(pcfApi()), ['a']);
  });

  it('reconcile the PcfApis that they select, or selected before, with a high priority', () => {
    const caches = cachesWith();
    const added: string[] = [];
    const queue = { add: (key: string, priority: string) => added.push(`${key} ${priority}`) };
    enqueueOnEvents({ caches, queue: queue as never, onEdit: () => {} });
    const apply = (spec: object, version: string) =>
      caches.windows!.windows.noteWrite(window('freeze', spec, version));
    apply(inProduction, '1');
    assert.deepEqual(added.splice(0), ['platform/api high']);
    apply({ namespaceSelector: { matchLabels: { environment: 'staging' } } }, '2');
    assert.deepEqual(added.splice(0), ['platform/api high'], 'no longer selected');
    apply({ ...ALWAYS, namespaceSelector: { matchLabels: { environment: 'test' } } }, '3');
    assert.deepEqual(added.splice(0), []);
    label(caches, 'test', '4');
    assert.deepEqual(added.splice(0), ['platform/api high'], 'a label of the namespace changed');
  });

  it('matchesLabels has the semantics of Kubernetes', () => {
    const meets = (operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist', labels: Record<string, string>) =>
      matchesLabels({ matchExpressions: [{ key: 'a', operator, values: ['x'] }] }, labels);
    const [match, other, none] = [{ a: 'x' }, { a: 'y' }, {}];
    assert.deepEqual(
      [match, other, none].map((labels) => meets('In', labels)),
      [true, false, false],
    );
    assert.deepEqual(
      [match, other, none].map((labels) => meets('NotIn', labels)),
      [false, true, true],
    );
    assert.deepEqual(
      [match, other, none].map((labels) => meets('Exists', labels)),
      [true, true, false],
    );
    assert.deepEqual(
      [match, other, none].map((labels) => meets('DoesNotExist', labels)),
      [false, false, true],
    );
    assert.ok(matchesLabels(undefined, none) && matchesLabels({}, match));
  });
});

describe('WindowGates', () => {
  const frozen = [window('incident', {})] as never[];

  it('without windows there is no gate', () =>
    assert.equal(new WindowGates().gateOf(pcfApi(), [], NOW), undefined));

  it('all of spec.windows and the PcfWindows must be open', () => {
    const own = windows.parse({ freeze: [{ end: '2026-11-30T13:00:00Z' }] });
    const api = pcfApi({ windows: own });
    const open = [window('later', { freeze: [{ start: '2026-12-24T00:00:00Z' }] })] as never[];
    const gates = new WindowGates();
    assert.match(
      gates.gateOf(api, open, NOW)!.held.Weight!,
      /opens at 2026-11-30T13:00:00Z \(spec\.windows\)$/,
    );
    const { report } = gates.gateOf(api, open, NOW + HOUR)!;
    assert.deepEqual([report.state, report.nextChange], ['Open', '2026-12-24T00:00:00Z']);
    assert.deepEqual(gates.gateOf(api, frozen, NOW + HOUR)!.report.closedBy, [
      { source: 'PcfWindow incident', holds: ['Start'], reason: 'INC-4711', allowOverride: true },
    ]);
  });

  it('an edited window, a change of the time and a clock that is set back are evaluated', () => {
    const gates = new WindowGates();
    const until = (end: string) => [window('a', { freeze: [{ end }] })] as never[];
    const heldAt = (windows: never[], at: number) => gates.gateOf(pcfApi(), windows, at)!.held.Start;
    const hour = until('2026-11-30T13:00:00Z');
    assert.ok(heldAt(hour, NOW));
    assert.equal(heldAt(hour, NOW + HOUR), undefined);
    assert.ok(heldAt(hour, NOW), 'the clock is set back');
    assert.equal(heldAt(until('2026-11-30T11:00:00Z'), NOW), undefined);
  });

  it('an override ends at its time, and has the field manager and the reason', () => {
    const gates = new WindowGates();
    const api = overridden(NOW + HOUR, ' INC-4711: fix ');
    api.metadata.managedFields = [
      {
        ...{ manager: 'pcf-cli', operation: 'Update', apiVersion: 'pcf.dev/v1alpha1' },
        fieldsV1: { 'f:metadata': { 'f:annotations': { [`f:${OVERRIDE_ANNOTATIONS.until}`]: {} } } },
      },
    ];
    const { held, report, problems } = gates.gateOf(api, frozen, NOW)!;
    assert.deepEqual([held, report.state, problems], [{}, 'Overridden', []]);
    assert.deepEqual(report.override, {
      reason: 'INC-4711: fix',
      until: '2026-11-30T13:00:00Z',
      by: 'pcf-cli',
    });
    assert.ok(gates.gateOf(api, frozen, NOW + HOUR)!.held.Start);
    const strict = [window('strict', { allowOverride: false })] as never[];
    assert.match(gates.gateOf(api, strict, NOW)!.held.Start!, /PcfWindow strict/);
    const [event, ...others] = announcements(api, nothing, ready, [], report);
    assert.deepEqual(
      [event?.reason, event?.note, others],
      [
        'WindowOverridden',
        'pcf-cli overrides windows and freezes until 2026-11-30T13:00:00Z: INC-4711: fix',
        [],
      ],
    );
    assert.deepEqual(announcements({ ...api, status: { windows: report } }, nothing, ready, [], report), []);
    assert.match(
      windowTable([{ ...api, status: { windows: report } }]),
      /api +Overridden +2026-11-30T13:00:00Z +PcfWindow incident +unknown +Start +INC-4711; overridden until/,
    );
  });

  it('an override that is too long is ignored until it is changed, also when less than 7 days of it are left', () => {
    const gates = new WindowGates();
    const api = overridden(NOW + 169 * HOUR, 'x');
    for (const at of [NOW, NOW + 2 * HOUR, NOW + 168 * HOUR]) {
      const { held, problems, report } = gates.gateOf(api, frozen, at)!;
      assert.ok(held.Start, `${(at - NOW) / HOUR} h later`);
      assert.match(problems.join(), /must not be longer than 7 days, and lasts from 2026-11-30T12:00:00/);
      assert.equal(report.override, undefined);
    }
    assert.equal(gates.gateOf(overridden(NOW + 168 * HOUR, 'x'), frozen, NOW)!.held.Start, undefined);
  });

  it('an override that starts later takes effect at its start', () => {
    const gates = new WindowGates();
    const api = overridden(NOW + 3 * HOUR, 'planned', NOW + HOUR);
    const gate = gates.gateOf(api, frozen, NOW)!;
    assert.deepEqual([Boolean(gate.held.Start), gate.problems, gate.report.override], [true, [], undefined]);
    assert.ok(gate.until <= NOW + HOUR, 'the gate is evaluated at the start');
    assert.equal(gates.gateOf(api, frozen, NOW + HOUR)!.report.state, 'Overridden');
  });

  it('an override without a reason, a valid start or end, or that is too long, is ignored and reported', () => {
    for (const [api, problem] of [
      [overridden(NOW + HOUR), /window-override-reason is missing or empty/],
      [overridden(NOW + HOUR, ' '), /window-override-reason is missing or empty/],
      [overridden(NOW + 169 * HOUR, 'x'), /must not be longer than 7 days/],
      [overridden(NOW + HOUR, 'x', NOW + 2 * HOUR), /its end .* is not after its start/],
    ] as const) {
      const { held, problems } = new WindowGates().gateOf(api, frozen, NOW)!;
      assert.ok(held.Start);
      assert.match(problems.join(), problem);
    }
    const { from, until, reason } = OVERRIDE_ANNOTATIONS;
    const problemOf = (annotations: Record<string, string>) =>
      (requestedOverride(annotations) as { problem: string }).problem;
    const start = { [from]: '2026-11-30T12:00:00Z', [reason]: 'x' };
    assert.match(problemOf({ ...start, [until]: 'tomorrow' }), /override-until must be a time such as/);
    assert.match(problemOf({ [until]: start[from]!, [reason]: 'x' }), /override-from must be a time such as/);
  });

  it('an invalid override is reported until its end, and the gate is evaluated then', () => {
    const gates = new WindowGates();
    const { from, until, reason } = OVERRIDE_ANNOTATIONS;
    const withoutStart = overridden(NOW + HOUR, 'of an earlier version');
    delete withoutStart.metadata.annotations![from];
    for (const [api, end] of [
      [withoutStart, NOW + HOUR],
      [overridden(NOW + HOUR), NOW + HOUR],
      [overridden(NOW + 169 * HOUR, 'too long'), NOW + 169 * HOUR],
      [overridden(NOW + HOUR, 'ends before its start', NOW + 2 * HOUR), NOW + 2 * HOUR],
    ] as const) {
      const gate = gates.gateOf(api, frozen, end - 1)!;
      assert.equal(gate.problems.length, 1);
      assert.equal(gate.until, end);
      const after = gates.gateOf(api, frozen, end)!;
      assert.deepEqual(after.problems, []);
      assert.ok(after.held.Start, 'it was never in effect');
    }
    const endless = pcfApi();
    endless.metadata.annotations = { [until]: 'tomorrow', [reason]: 'x' };
    assert.equal(gates.gateOf(endless, frozen, NOW + 1_000 * HOUR)!.problems.length, 1);
  });

  const nothing = {
    ...{ position: {}, replicas: {}, decisions: [] },
    traffic: { desiredWeight: 0, effectiveWeight: 0, verified: true },
  };
  const ready = {
    phase: 'Ready' as const,
    reason: 'Ready' as const,
    message: '',
    verdict: 'Current' as const,
  };
});

describe('the schema of windows', () => {
  const parse = (freeze: object) => pcfApiSpec.safeParse({ ...pcfApi().spec, windows: { freeze: [freeze] } });

  it('accepts schedules and single periods', () => {
    for (const freeze of [
      { schedule: '0 22 * * MON-FRI', duration: '8h', timeZone: 'Europe/Berlin' },
      { schedule: '*/15 0-6/2,22 1,15 jan,DEC 7', duration: '1m' },
      { start: '2026-12-18T18:00:00+01:00', end: '2027-01-04T00:00:00Z', reason: 'end of the year' },
      { reason: 'incident' },
    ])
      assert.equal(parse(freeze).error, undefined, JSON.stringify(freeze));
  });

  it('rejects others, with the rule', () => {
    for (const [freeze, message] of [
      [{ schedule: '60 * * * *', duration: '1h' }, /cron schedule of five fields/],
      [{ schedule: '0 24 * * *', duration: '1h' }, /cron schedule of five fields/],
      [{ schedule: '0 0 * * * *', duration: '1h' }, /cron schedule of five fields/],
      [{ schedule: '0 0 * * FUN', duration: '1h' }, /cron schedule of five fields/],
      [{ schedule: '*/0 0 * * *', duration: '1h' }, /cron schedule of five fields/],
      [{ schedule: '0 0 * * *', duration: '1h', timeZone: 'Mars/Phobos' }, /IANA time zone/],
      [{ schedule: '0 0 * * *', duration: '1h', timeZone: 'Local' }, /IANA time zone/],
      [{ schedule: '0 0 * * *' }, /either schedule and duration/],
      [
        { schedule: '0 0 * * *', duration: '1h', end: '2027-01-04T00:00:00Z' },
        /either schedule and duration/,
      ],
      [{ start: '2027-01-04T00:00:00Z', end: '2026-12-18T00:00:00Z' }, /start must be before end/],
      [{ start: '2027-01-04T00:00:00Z', timeZone: 'UTC' }, /either schedule and duration/],
    ] as const)
      assert.match(parse(freeze).error?.message ?? 'accepted', message, JSON.stringify(freeze));
  });
});
