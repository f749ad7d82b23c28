/** Windows and freezes: the times at which a delivery may take steps. Shared by PcfApi and PcfWindow. */
import { z } from 'zod';
import { type CelRule, cel, dnsLabel, durationWithin } from '../kubernetes.js';
import { figure } from './analysis.js';
import { prometheus } from './analysis-sources.js';

/** The steps that a closed window can hold. An abort, an undo and the repair of drift are never held. */
export const GATED_STEPS = ['Start', 'Weight', 'Promotion', 'Contract', 'Purge'] as const;
export type GatedStep = (typeof GATED_STEPS)[number];

const MAX_ALLOW = 16;
const MAX_FREEZE = 32;

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const DAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const eitherCase = (names: string[]) => [...names, ...names.map((name) => name.toLowerCase())].join('|');

/** Pattern of a field of a cron schedule: a list of values, ranges and steps. Without a backslash, for CEL. */
function cronField(value: string): string {
  const step = '/[1-9][0-9]?';
  const item = `([*](${step})?|(${value})(-(${value})(${step})?)?)`;
  return `${item}(,${item}){0,9}`;
}

const SCHEDULE = [
  '[0-5]?[0-9]',
  '[01]?[0-9]|2[0-3]',
  '0?[1-9]|[12][0-9]|3[01]',
  `0?[1-9]|1[0-2]|${eitherCase(MONTHS)}`,
  `[0-7]|${eitherCase(DAYS)}`,
]
  .map(cronField)
  .join(' ');

const isSchedule: CelRule = {
  rule: `self.matches('^${SCHEDULE}$')`,
  message:
    'must be a cron schedule of five fields, minute hour day-of-month month day-of-week, such as 0 22 * * MON-FRI',
};

const schedule = z.string().min(9).max(128).refine(matcherOf(SCHEDULE), isSchedule.message);

const ZONE = '[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}';

/** The API server loads the time zone: an unknown one is an error of the rule, whose text names it. */
const isTimeZone: CelRule = {
  rule: `self.matches('^${ZONE}$') && self != 'Local' && timestamp('2026-01-01T00:00:00Z').getHours(self) >= 0`,
  message: 'must be a name of the IANA time zone database, such as Europe/Berlin or UTC',
};

function matcherOf(pattern: string): (text: string) => boolean {
  const whole = new RegExp(`^${pattern}$`);
  return (text) => whole.test(text);
}

/** Whether Node.js has the time zone. */
export function isKnownTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

const timeZone = z
  .string()
  .min(1)
  .max(64)
  .refine(matcherOf(ZONE), isTimeZone.message)
  .refine(isKnownTimeZone, isTimeZone.message);

const date = (description: string) =>
  z.iso.datetime({ offset: true }).max(64).optional().meta({ description, format: 'date-time' });

const eitherForm: CelRule = {
  rule: 'has(self.schedule) == has(self.duration) && (has(self.schedule) ? !has(self.start) && !has(self.end) : !has(self.timeZone))',
  message:
    'give either schedule and duration, with an optional timeZone, or start and end, whose times have an offset',
};
const startBeforeEnd: CelRule = {
  rule: '!has(self.start) || !has(self.end) || self.start < self.end',
  message: 'start must be before end',
};

interface TimesOfPeriod {
  schedule?: string;
  duration?: string;
  timeZone?: string;
  start?: string;
  end?: string;
}

function hasOneForm({ schedule, duration, timeZone, start, end }: TimesOfPeriod): boolean {
  if (schedule === undefined || duration === undefined)
    return schedule === duration && timeZone === undefined;
  return start === undefined && end === undefined;
}

function endsAfterStart({ start, end }: TimesOfPeriod): boolean {
  return start === undefined || end === undefined || Date.parse(start) < Date.parse(end);
}

const period = z
  .strictObject({
    schedule: schedule.optional().meta({
      description:
        'Cron schedule of the starts, in `timeZone`. A start that daylight saving time skips is at the first valid time after it, and one ' +
        'that occurs twice is at the first occurrence, unless its minutes or hours have a `*` or a step.',
      examples: ['0 22 * * MON-FRI'],
      ...cel(isSchedule),
    }),
    duration: durationWithin('1m', '744h')
      .optional()
      .meta({ description: 'Elapsed time from each start, from 1m to 744h. Requires `schedule`.' }),
    timeZone: timeZone.optional().meta({
      description: 'Time zone of `schedule`: a name of the IANA database. Default: UTC.',
      examples: ['Europe/Berlin'],
      ...cel(isTimeZone),
    }),
    start: date('Start of a single period. Unset, without `schedule`: it has already started.'),
    end: date('End of a single period. Unset, without `schedule`: it does not end.'),
    reason: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .meta({ description: 'Reason, for the status of each PcfApi whose delivery it holds.' }),
  })
  .refine(hasOneForm, eitherForm.message)
  .refine(endsAfterStart, startBeforeEnd.message)
  .meta(cel(eitherForm, startBeforeEnd));
/** Either recurring, by a schedule, or a single period with an optional start and end. */
export type Period = z.output<typeof period>;

const periods = (max: number, description: string) =>
  z.array(period).max(max).default([]).meta({ description, 'x-kubernetes-list-type': 'atomic' });

/** The fields of a set of windows and freezes. */
export const windowFields = {
  allow: periods(
    MAX_ALLOW,
    'Windows. If there is one or more, steps are taken only while at least one is open.',
  ),
  freeze: periods(
    MAX_FREEZE,
    'Freezes. No step is taken during a freeze, also if a window is open. An entry without times is in effect until it is removed.',
  ),
  applyTo: z
    .array(z.enum(GATED_STEPS))
    .min(1)
    .max(GATED_STEPS.length)
    .default([...GATED_STEPS])
    .meta({
      description:
        'Steps that are held while closed. `Start`: a delivery, and each of its migration Jobs. `Weight`: more weight for the new revision. ' +
        '`Promotion`: the promotion. `Contract`: contract migrations. `Purge`: the permanent removal after `migrations.contractWindow`. Default: all. An abort, an undo, a lower weight, scaling and the repair of drift are never held.',
      'x-kubernetes-list-type': 'set',
    }),
};

const PLACEHOLDERS = ['{{namespace}}', '{{name}}'] as const;

const freezeQuery = z
  .strictObject({
    name: dnsLabel.meta({ description: 'Name of the query in status and messages.' }),
    query: z
      .string()
      .min(1)
      .max(4096)
      .meta({
        description: `A PromQL query, such as the remaining error budget. ${PLACEHOLDERS.join(' and ')} are replaced; put them in quotes. The lowest series of the result counts.`,
        examples: ['slo:period_error_budget_remaining:ratio{sloth_service="{{name}}"}'],
      }),
    below: figure.meta({
      description: 'Bound. A value below it freezes, and so does a missing value: no data, NaN or an error.',
    }),
    interval: durationWithin('5s', '1h').default('1m').meta({
      description:
        'Time between two measurements, during a delivery and while contract migrations are pending.',
    }),
  })
  .meta(
    cel({
      rule: `!self.query${PLACEHOLDERS.map((it) => `.replace('${it}', '')`).join('')}.contains('{{')`,
      message: `query contains an unknown placeholder; known are ${PLACEHOLDERS.join(' and ')}`,
      fieldPath: '.query',
    }),
  );
export type FreezeQuery = z.output<typeof freezeQuery>;

const times = z.strictObject(windowFields);
/** Windows and freezes by time. */
export type Windows = z.output<typeof times>;

export const windows = z
  .strictObject({
    ...windowFields,
    prometheus: prometheus.optional().meta({ description: 'Prometheus server for freezeWhen.' }),
    freezeWhen: z
      .array(freezeQuery)
      .max(8)
      .optional()
      .meta({
        description: 'Freezes by a measured value, for the steps of `applyTo`.',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['name'],
      }),
  })
  .meta(
    cel({
      rule: '!has(self.freezeWhen) || size(self.freezeWhen) == 0 || has(self.prometheus)',
      message: 'prometheus is required for freezeWhen',
      fieldPath: '.prometheus',
    }),
  );
