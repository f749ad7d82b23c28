/** Status output: revisions, weights, migrations, pods, events. Pure. */
import type { PcfApiStatus } from '../../operator/api/v1alpha1/status.js';
import { type EventView, timeOf } from '../../operator/dashboard/event-view.js';
import { autoscalingLines } from '../../operator/dashboard/view/autoscaling-lines.js';
import { intervalText } from '../../operator/dashboard/view/interval-text.js';
import { podLines, roleOf } from '../../operator/dashboard/view/pod-lines.js';
import { windowLines } from '../../operator/dashboard/view/window-lines.js';
import type { Pod } from '../../operator/reconciler/pod-state.js';
import { backfillText, holderText } from '../migration-text.js';
import { age, bar, paint, table } from '../output.js';
import { deletionLines } from './deletion.js';
import type { Picture } from './picture.js';

const EVENTS_SHOWN = 8;

export function screen(picture: Picture, now = Date.now()): string {
  const { api, pods, events, outdatedTemplate } = picture;
  const status = api.status ?? {};
  return [
    headline(picture),
    section('Revisions', revisions(status)),
    section('Traffic', traffic(status)),
    section('Analysis', analysis(status)),
    section('Windows', indented(windowLines(status.windows))),
    section('Autoscaling', indented(autoscalingLines(status.autoscaling))),
    section('Migration', migration(status, now)),
    section('Pods', podTable(pods, now)),
    section('To fix', faults(status)),
    section('Events', eventTable(events, now)),
    outdatedTemplate
      ? paint(
          'dim',
          `This operator version renders pods differently. The next delivery applies this, or: kubectl pcf adopt ${api.metadata.name}`,
        )
      : undefined,
  ]
    .filter((part) => part !== undefined)
    .join('\n\n');
}

function headline({ api }: Picture): string {
  const { phase = 'Pending', conditions = [], observedGeneration } = api.status ?? {};
  const message =
    conditions.find(({ type }) => type === 'Ready')?.message ?? 'the operator has not reconciled it yet';
  const deletion = deletionLines(api);
  const behind = observedGeneration !== undefined && observedGeneration < api.metadata.generation;
  const title = `${paint('bold', api.metadata.name)} in ${api.metadata.namespace}   ${colourOf(deletion ? 'Deleting' : phase)}`;
  if (deletion) return [title, ...deletion].join('\n');
  return [title, message, ...(behind ? ['the operator has not observed the last edit yet'] : [])].join('\n');
}

const phaseColour = {
  Ready: 'green',
  Canary: 'cyan',
  Failed: 'red',
  Degraded: 'red',
  Paused: 'magenta',
} as const;

function colourOf(phase: string): string {
  return paint(phaseColour[phase as keyof typeof phaseColour] ?? 'yellow', phase);
}

function section(title: string, body: string | undefined): string | undefined {
  return body ? `${paint('bold', title)}\n${body}` : undefined;
}

function revisions(status: PcfApiStatus): string | undefined {
  const { revisions = [] } = status;
  if (revisions.length === 0) return undefined;
  const hasWorkers = revisions.some(({ workers }) => workers);
  const rows = revisions.map(({ name, image, readyReplicas, replicas, weight, workers }) => [
    name,
    roleOf(name, status),
    image,
    `${readyReplicas}/${replicas}`,
    `${bar(weight)} ${weight} %`,
    ...(hasWorkers
      ? [workers ? `${workers.readyReplicas}/${workers.replicas} (${workers.share} %)` : '-']
      : []),
  ]);
  return table(['NAME', 'ROLE', 'IMAGE', 'READY', 'WEIGHT', ...(hasWorkers ? ['WORKERS'] : [])], rows, '  ');
}

function traffic({ traffic: seen, updateRevision, step }: PcfApiStatus): string | undefined {
  if (!seen) return undefined;
  const { desiredWeight, effectiveWeight, verified, reason, stickyCookie } = seen;
  // After an abort there is no update revision, but traffic that it still receives is shown.
  if (!updateRevision && desiredWeight === effectiveWeight) return undefined;
  const why = reason ? `: ${reason}` : '';
  const read = verified ? 'read back from the route' : 'not read back yet';
  const lines = [`  desired ${desiredWeight} %, effective ${effectiveWeight} %${why} (${read})`];
  if (stickyCookie) lines.push(`  sticky users: the weight is their share, by cookie ${stickyCookie}`);
  if (step) lines.push(`  ${stepLine(step)}`);
  return lines.join('\n');
}

function stepLine({ index, of, weight, waitingFor }: NonNullable<PcfApiStatus['step']>): string {
  if (index >= of) return `all ${of} steps completed`;
  return `step ${index + 1} of ${of}: ${weight} %${waitingFor ? `, waiting for ${waitingFor}` : ''}`;
}

function indented(lines: readonly string[] | undefined): string | undefined {
  return lines?.map((line) => `  ${line}`).join('\n');
}

const verdictColour = { Passed: 'green', Failed: 'red', Running: 'cyan' } as const;

function analysis({ analysis: seen }: PcfApiStatus): string | undefined {
  if (!seen) return undefined;
  const paintVerdict = (verdict: string) =>
    paint(verdictColour[verdict as keyof typeof verdictColour] ?? 'yellow', verdict);
  const rows = seen.metrics.map(({ name, verdict, value, stableValue, bound, sequential }) => [
    ...[name, paintVerdict(verdict), value ?? '-', stableValue ?? '-'],
    sequential ? intervalText(sequential) : bound,
  ]);
  return [
    `  ${paintVerdict(seen.verdict)}: ${seen.message}`,
    table(['METRIC', 'VERDICT', 'VALUE', 'STABLE', 'INTERVAL OR BOUND'], rows, '  '),
  ].join('\n');
}

function migration({ migration: seen }: PcfApiStatus, now: number): string | undefined {
  if (!seen) return undefined;
  const { state, phase, current, duration, message, waitingFor, rollbackFloor } = seen;
  const stage = state === 'Running' && phase ? `${state} (${phase})` : state;
  const parts = [
    stage,
    current && `newest migration ${current}`,
    duration && `duration ${duration}`,
    message,
  ];
  const lines = [
    parts.filter(Boolean).join(', '),
    seen.progress && phase === 'backfill' && backfillText(seen.progress),
    seen.lockHolder && `blocked by ${holderText(seen.lockHolder, now)}`,
    waitingFor && `contract waits for ${waitingFor}`,
    rollbackFloor && `rollback floor: ${rollbackFloor.revision}, ${rollbackFloor.image}`,
  ];
  return lines
    .filter(Boolean)
    .map((line) => `  ${line}`)
    .join('\n');
}

function podTable(pods: Pod[], now: number): string | undefined {
  const rows = podLines(pods).map(({ name, component, state, status, restarts, createdAt }) => [
    name,
    component,
    state === 'ready' ? 'yes' : paint('yellow', 'no'),
    status,
    `${restarts}`,
    age(createdAt, now),
  ]);
  if (rows.length === 0) return undefined;
  return table(['NAME', 'COMPONENT', 'READY', 'STATUS', 'RESTARTS', 'AGE'], rows, '  ');
}

function faults({ conditions = [] }: PcfApiStatus): string | undefined {
  const degraded = conditions.find(({ type, status }) => type === 'Degraded' && status === 'True');
  return degraded && `  ${paint('yellow', degraded.message)}`;
}

function eventTable(events: EventView[], now: number): string | undefined {
  if (events.length === 0) return undefined;
  const rows = events
    .slice(-EVENTS_SHOWN)
    .map((event) => [
      age(timeOf(event), now),
      event.type === 'Warning' ? paint('yellow', 'Warning') : 'Normal',
      event.reason ?? '',
      `${event.note ?? ''}${event.series ? ` (${event.series.count} times)` : ''}`,
    ]);
  return table(['AGE', 'TYPE', 'REASON', 'MESSAGE'], rows, '  ');
}
