import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Period } from '../../../operator/api/v1alpha1/spec/windows.js';
import {
  nextChange,
  stateOf,
  stateOfSet,
  type WindowSet,
} from '../../../operator/delivery/windows/calendar.js';
import { gateAt, gateView } from '../../../operator/delivery/windows/gate.js';
import { scheduleOf } from '../../../operator/delivery/windows/schedule.js';
import { propertyRuns } from '../../support/runner/property-runs.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const iso = (at: number) => new Date(at).toISOString();
const runs = (full: number) => ({ numRuns: propertyRuns(full) });

/** Zones with changes at 1:00 UTC, at 2:00, of 30 minutes, at midnight, and without any. */
const timeZone = fc.constantFrom(
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'America/Santiago',
  'Asia/Kolkata',
  'UTC',
);
/** Two leap years, and the transitions of all these zones. */
const time = fc.integer({ min: Date.parse('2027-01-01'), max: Date.parse('2033-01-01') });
const schedule = fc.constantFrom(
  '30 2 * * *',
  '0 0 * * *',
  '15 1-3 * * MON-FRI',
  '0 22 * * 5',
  '0 0 29 2 *',
  '*/20 * * * *',
  '0 */6 1 * *',
  '59 23 31 12 *',
);
const duration = fc.constantFrom('1m', '45m', '3h', '25h', '58h', '744h');
const recurring: fc.Arbitrary<Period> = fc.record({ schedule, duration, timeZone });
const single: fc.Arbitrary<Period> = fc
  .tuple(fc.option(time, { nil: undefined }), fc.option(time, { nil: undefined }))
  .map(([start, end]) => ({
    ...(start === undefined ? {} : { start: iso(Math.min(start, end ?? start)) }),
    ...(end === undefined ? {} : { end: iso(Math.max(start ?? end, end) + 1) }),
  }));
const period = fc.oneof({ weight: 3, arbitrary: recurring }, { weight: 1, arbitrary: single });
const windowSet = (source: string): fc.Arbitrary<WindowSet> =>
  fc.record({
    source: fc.constant(source),
    allowOverride: fc.boolean(),
    allow: fc.array(period, { maxLength: 2 }),
    freeze: fc.array(period, { maxLength: 2 }),
    applyTo: fc
      .subarray(['Start', 'Weight', 'Promotion', 'Contract', 'Purge'] as const, { minLength: 1 })
      .map((all) => [...all]),
  });
const sets = fc.tuple(windowSet('spec.windows'), windowSet('PcfWindow a')).map((both): WindowSet[] => both);

/** Offset of a zone in minutes, from Intl, which is independent of the library. */
function offsetMinutes(zone: string, at: number): number {
  const parts = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' }).formatToParts(
    at,
  );
  const text = parts.find(({ type }) => type === 'timeZoneName')!.value;
  const [, sign, hours = '0', minutes = '0'] = /GMT(?:([+-])(\d+):(\d+))?/.exec(text) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}
const localMinute = (zone: string, at: number) => {
  const local = new Date(at + offsetMinutes(zone, at) * MINUTE);
  return local.getUTCHours() * 60 + local.getUTCMinutes();
};
const localDay = (zone: string, at: number) => iso(at + offsetMinutes(zone, at) * MINUTE).slice(0, 10);

describe('schedules of windows', () => {
  it('start once on each local day at a fixed time, also when the clock skips it or it occurs twice', () => {
    const minuteOfDay = fc.integer({ min: 0, max: 24 * 60 - 1 });
    fc.assert(
      fc.property(timeZone, minuteOfDay, time, (zone, minute, from) => {
        const starts = scheduleOf(`${minute % 60} ${Math.floor(minute / 60)} * * *`, zone);
        let at = from;
        let day = localDay(zone, starts.latestStart(from)!);
        for (let count = 0; count < 40; count++) {
          at = starts.nextStart(at)!;
          const next = localDay(zone, at);
          assert.equal(Date.parse(next) - Date.parse(day), DAY, `${day} is followed by ${next}`);
          const isShifted = localMinute(zone, at) !== minute;
          // A start is only shifted to the end of a gap: the offset changed in the hour before.
          if (isShifted) assert.notEqual(offsetMinutes(zone, at), offsetMinutes(zone, at - 1), iso(at));
          day = next;
        }
      }),
      runs(50),
    );
  });

  it('nextStart is after the time, latestStart is not, and no start is between them', () => {
    fc.assert(
      fc.property(schedule, timeZone, time, (pattern, zone, at) => {
        const starts = scheduleOf(pattern, zone);
        const [latest, next] = [starts.latestStart(at)!, starts.nextStart(at)!];
        assert.ok(latest <= at && at < next, `${iso(latest)}, ${iso(at)}, ${iso(next)}`);
        assert.equal(starts.nextStart(latest), next);
        assert.equal(starts.latestStart(next - 1), latest);
        assert.equal(starts.latestStart(next), next);
      }),
      runs(400),
    );
  });

  it('a schedule on 29 February starts in leap years only', () => {
    const starts = scheduleOf('0 0 29 2 *', 'UTC');
    assert.equal(iso(starts.nextStart(Date.parse('2028-03-01'))!), '2032-02-29T00:00:00.000Z');
    // 2100 is not a leap year.
    assert.equal(iso(starts.nextStart(Date.parse('2096-03-01'))!), '2104-02-29T00:00:00.000Z');
    assert.equal(iso(starts.latestStart(Date.parse('2103-01-01'))!), '2096-02-29T00:00:00.000Z');
  });

  it('a schedule that never occurs, or is invalid, is an error', () => {
    assert.throws(() => scheduleOf('0 0 30 2 *', 'UTC'), /it never occurs/);
    assert.throws(() => scheduleOf('0 0 20-10 * *', 'UTC'));
    assert.throws(() => scheduleOf('0 0 * * *', 'Mars/Phobos'));
  });
});

describe('the calendar of windows and freezes', () => {
  it('does not change before the time that it returns', () => {
    fc.assert(
      fc.property(windowSet('a'), time, fc.double({ min: 0, max: 1, noNaN: true }), (set, at, part) => {
        const state = stateOfSet(set, at);
        assert.ok(state.until > at);
        const end = Math.min(state.until, at + 400 * DAY);
        const between = at + Math.floor((end - at - 1) * part);
        assert.equal(stateOfSet(set, between).isOpen, state.isOpen, iso(between));
        assert.equal(stateOfSet(set, end - 1).isOpen, state.isOpen, iso(end - 1));
      }),
      runs(400),
    );
  });

  it('nextChange is the first time with the other state', () => {
    fc.assert(
      fc.property(sets, time, fc.double({ min: 0, max: 1, noNaN: true }), (both, at, part) => {
        const { isOpen } = stateOf(both, at);
        const change = nextChange(both, at);
        if (change === undefined) return;
        assert.ok(change > at);
        assert.equal(stateOf(both, change).isOpen, !isOpen);
        assert.equal(stateOf(both, change - 1).isOpen, isOpen);
        assert.equal(stateOf(both, at + Math.floor((change - 1 - at) * part)).isOpen, isOpen);
      }),
      runs(150),
    );
  });

  it('is open exactly when each set is outside its freezes, and in one of its windows if it has any', () => {
    const isActive = ({ schedule, duration, timeZone, start, end }: Period, at: number) => {
      if (!schedule) return at >= Date.parse(start ?? iso(0)) && at < Date.parse(end ?? '9999-01-01');
      const lengthMs = Number(/(\d+)/.exec(duration!)![1]) * (duration!.endsWith('m') ? MINUTE : HOUR);
      // Starts are whole minutes: each one that the window could have started at.
      const first = Math.floor((at - lengthMs) / MINUTE) * MINUTE + MINUTE;
      const next = scheduleOf(schedule, timeZone!).nextStart(first - 1);
      return next !== undefined && next <= at;
    };
    fc.assert(
      fc.property(sets, time, (both, at) => {
        const expected = both.every(
          ({ allow, freeze }) =>
            !freeze.some((one) => isActive(one, at)) &&
            (allow.length === 0 || allow.some((one) => isActive(one, at))),
        );
        assert.equal(stateOf(both, at).isOpen, expected);
      }),
      runs(400),
    );
  });

  it('a period of a duration lasts this time, also over a change of the clock', () => {
    const freeze = [{ schedule: '0 22 * * FRI', duration: '58h', timeZone: 'Europe/Berlin' }];
    // The clock is set forward in this weekend: 58 hours after Friday, 22:00, is Monday, 9:00.
    const { until } = stateOfSet(
      { allow: [], freeze, applyTo: ['Start'] },
      Date.parse('2027-03-27T12:00:00Z'),
    );
    assert.equal(iso(until), '2027-03-29T07:00:00.000Z');
  });

  it('without windows and freezes is always open, and with a freeze without times always closed', () => {
    const always = { allow: [], freeze: [], applyTo: ['Start' as const], source: 'a', allowOverride: true };
    const never = { ...always, freeze: [{ reason: 'incident 4711' }] };
    fc.assert(
      fc.property(time, (at) => {
        assert.deepEqual(stateOfSet(always, at), { isOpen: true, until: Number.POSITIVE_INFINITY });
        assert.equal(nextChange([always], at), undefined);
        const { held, until, report } = gateAt([always, never], undefined, at);
        assert.match(held.Start!, /^a change of a, because no opening was found \(a: incident 4711\)$/);
        assert.deepEqual(
          [until, report.state, report.nextChange],
          [Number.POSITIVE_INFINITY, 'Closed', undefined],
        );
        assert.deepEqual(gateView({ held, until }, at), { held });
      }),
      runs(50),
    );
  });

  it('a period that cannot be evaluated closes its set, and is reported', () => {
    const bad = { schedule: '0 0 30 2 *', duration: '1h' };
    const open = {
      ...{ source: 'PcfWindow a', allowOverride: true },
      allow: [],
      freeze: [],
      applyTo: ['Weight' as const],
    };
    const at = Date.parse('2027-06-01');
    for (const set of [
      { ...open, allow: [bad] },
      { ...open, freeze: [bad] },
    ]) {
      const { held, problems } = gateAt([set], undefined, at);
      assert.deepEqual(Object.keys(held), ['Weight']);
      assert.match(
        problems[0]!,
        /^PcfWindow a: (allow|freeze)\[0\] .* until it is corrected: .*"0 0 30 2 \*".*never occurs/,
      );
    }
    assert.deepEqual(gateAt([open], undefined, at).problems, []);
  });
});

describe('the gate of a delivery', () => {
  it('has the same content until the time that it returns, and is then due, never at once', () => {
    fc.assert(
      fc.property(sets, time, fc.double({ min: 0, max: 1, noNaN: true }), (both, at, part) => {
        const gate = gateAt(both, undefined, at);
        const { changesInMs = 1 } = gateView(gate, at);
        assert.ok(changesInMs > 0 && changesInMs <= 60_000, `${changesInMs} ms`);
        assert.ok(gate.until > at);
        const later = Math.floor(at + (Math.min(gate.until, at + 400 * DAY) - 1 - at) * part);
        const { held, report } = gateAt(both, undefined, later);
        if (report.nextChange === gate.report.nextChange) assert.deepEqual(held, gate.held);
        // The search for the next change is limited, and a later one reaches further.
        else assert.equal(gate.report.nextChange, undefined);
        assert.deepEqual(report.holds, gate.report.holds);
      }),
      runs(100),
    );
  });

  it('depends on the time alone: after the clock was set forward and back, it is the same', () => {
    fc.assert(
      fc.property(sets, time, time, (both, at, jump) => {
        const before = gateAt(both, undefined, at);
        gateAt(both, undefined, jump);
        assert.deepEqual(gateAt(both, undefined, at), before);
      }),
      runs(50),
    );
  });

  it('a set holds the steps of its applyTo only', () => {
    fc.assert(
      fc.property(sets, time, (both, at) => {
        const { held, report } = gateAt(both, undefined, at);
        const closed = both.filter((set) => !stateOfSet(set, at).isOpen);
        const expected = new Set(closed.flatMap(({ applyTo }) => applyTo));
        assert.deepEqual(new Set(Object.keys(held)), expected);
        assert.deepEqual(new Set(report.holds ?? []), expected);
        assert.equal(report.state === 'Closed', expected.size > 0);
      }),
      runs(100),
    );
  });

  it('an override opens all sets that allow it, until its end', () => {
    fc.assert(
      fc.property(sets, time, fc.integer({ min: 1, max: 7 * DAY }), (both, at, ms) => {
        const override = { reason: 'hotfix for an outage', until: at + ms, by: 'pcf-cli' };
        const strict = both.filter(({ allowOverride }) => !allowOverride);
        const { held, until, report } = gateAt(both, override, at);
        assert.deepEqual(held, gateAt(strict, undefined, at).held);
        assert.ok(until <= override.until);
        assert.equal(report.override?.reason, override.reason);
        const after = gateAt(both, override, override.until);
        assert.deepEqual(after, gateAt(both, undefined, override.until));
        assert.equal(after.report.override, undefined);
      }),
      runs(100),
    );
  });
});
