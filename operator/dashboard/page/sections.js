/** Analysis, migration, history, figures, events, pods. */
import { h } from './dom.js';
import { intervalView } from './interval.js';
import { ago, between, now, OUTCOMES, shortImage, span, VERDICTS } from './words.js';

const MARKS = 24;

export function analysisView({ verdict, message, metrics }) {
  const [sign, tone] = VERDICTS[verdict];
  return [
    h(
      'p',
      { class: `verdict ${tone}` },
      h('span', { 'aria-hidden': 'true' }, sign),
      ` ${verdict}`,
      h('span', { class: 'muted' }, ` ${message}`),
    ),
    h('ul', { class: 'metrics' }, metrics.map(metricView)),
  ];
}

function metricView(metric) {
  const { name, verdict, bound, value, stableValue, message, sequential, interval } = metric;
  const [sign, tone] = VERDICTS[verdict];
  return h(
    'li',
    { 'data-key': name },
    h(
      'div',
      { class: 'metric-head' },
      h('strong', {}, name),
      h('span', { class: `sign ${tone}` }, `${sign} ${verdict}`),
    ),
    sequential ? intervalView(sequential, interval) : marksView(metric),
    h(
      'p',
      { class: 'muted' },
      value !== undefined && [
        h('span', { class: 'mono' }, value),
        stableValue !== undefined && ` (stable ${stableValue})`,
        ' · ',
      ],
      bound,
    ),
    message && message !== bound && h('p', { class: 'muted small' }, message),
  );
}

function marksView({ measurements, failures, inconclusive, errors }) {
  const good = Math.max(0, measurements - failures - inconclusive - errors);
  const marks = [
    ...Array(good).fill(['✓', 'ok']),
    ...Array(failures).fill(['✗', 'bad']),
    ...Array(inconclusive).fill(['?', 'held']),
    ...Array(errors).fill(['!', 'warn']),
  ];
  return h(
    'div',
    {
      class: 'marks',
      role: 'img',
      'aria-label': `${good} good, ${failures} failed, ${inconclusive} inconclusive, ${errors} errors`,
    },
    marks.slice(0, MARKS).map(([mark, of]) => h('i', { class: of }, mark)),
    marks.length > MARKS && h('span', { class: 'muted' }, `and ${marks.length - MARKS} more`),
  );
}

const STAGES = ['expand', 'backfill', 'contract'];
const STATES = {
  Succeeded: ['✓', 'ok'],
  Running: ['↻', 'busy'],
  Failed: ['✗', 'bad'],
  Pending: ['…', 'busy'],
  Planned: ['‖', 'held'],
  Disabled: ['–', 'held'],
};

export function migrationView(migration) {
  const {
    state,
    phase,
    progress,
    current,
    message,
    waitingFor,
    lockHolder,
    contractAt,
    rollbackFloor,
    pending = [],
    duration,
    findings = [],
  } = migration;
  const [sign, tone] = STATES[state];
  const at = STAGES.indexOf(phase);
  return [
    h(
      'p',
      { class: `verdict ${tone}` },
      h('span', { 'aria-hidden': 'true' }, sign),
      ` ${state}`,
      phase && state === 'Running' && ` (${phase})`,
      h('span', { class: 'muted' }, duration && ` in ${duration}`),
    ),
    h(
      'ol',
      { class: 'stages' },
      STAGES.map((stage, index) => {
        const is =
          index < at || (index === at && state === 'Succeeded') ? 'done' : index === at ? 'now' : 'ahead';
        return h(
          'li',
          { class: is, 'aria-current': is === 'now' ? 'step' : undefined },
          is === 'done' ? '✓ ' : '',
          stage,
        );
      }),
    ),
    progress &&
      state === 'Running' &&
      h(
        'div',
        { class: 'progress' },
        h('progress', {
          max: Math.max(1, progress.total),
          value: Math.min(progress.rows, progress.total),
          'aria-label': progress.name,
        }),
        h('p', { class: 'muted' }, `${progress.name}: ${backfillText(progress)}`),
      ),
    message && h('p', { class: 'trouble' }, `! ${message}`),
    h(
      'dl',
      { class: 'facts' },
      fact('newest migration', current),
      fact('waiting for', waitingFor),
      fact('blocked by', state === 'Running' && lockHolder && holderText(lockHolder)),
      fact('pending', pending.map(({ name, phase: when }) => `${name} (${when})`).join(', ')),
      fact(
        'contract in',
        contractAt && Date.parse(contractAt) > now() && span(Date.parse(contractAt) - now()),
      ),
      fact(
        'rollback floor',
        rollbackFloor && (rollbackFloor.image ? shortImage(rollbackFloor.image) : rollbackFloor.revision),
      ),
      fact('lint', findings.map(({ migration: one, rule }) => `${one}: ${rule}`).join(', ')),
    ),
  ];
}

function backfillText({ rows, total, rowsPerSecond, secondsLeft, cancelled }) {
  const [done, all, pace] = [rows, total, rowsPerSecond].map((count) => count.toLocaleString('en'));
  if (cancelled) return `${done} of ${all} rows; cancelled`;
  const left = secondsLeft === undefined ? '' : `, ${span(secondsLeft * 1000)} left`;
  return `${done} of ${all} rows, ${pace} rows/s${left}`;
}

function holderText({ pid, application, user, since }) {
  const who = [application, user].filter(Boolean).join(', ');
  return `pid ${pid}${who ? ` (${who})` : ''}${since ? `, for ${span(now() - Date.parse(since))}` : ''}`;
}

const fact = (term, text) => text && [h('dt', {}, term), h('dd', {}, text)];

export function historyView(history) {
  if (history.length === 0) return h('p', { class: 'empty' }, 'No delivery has finished yet.');
  const heads = ['Revision', 'Image', 'Outcome', 'Finished', 'Duration', 'Lead time', 'By', 'Commit'];
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Finished deliveries' },
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          heads.map((head) => h('th', { scope: 'col' }, head)),
        ),
      ),
      h('tbody', {}, history.map(recordView)),
    ),
  );
}

function recordView(record) {
  const [sign, tone] = OUTCOMES[record.outcome];
  return h(
    'tr',
    { 'data-key': record.finishedAt },
    h('td', { class: 'number' }, record.number),
    h('td', { title: record.image }, shortImage(record.image)),
    h(
      'td',
      {},
      h('span', { class: `sign ${tone}` }, `${sign} ${record.outcome}`),
      record.reason && h('span', { class: 'muted' }, ` ${record.reason}`),
    ),
    h(
      'td',
      {},
      h('time', { datetime: record.finishedAt, title: record.finishedAt }, `${ago(record.finishedAt)} ago`),
    ),
    h('td', {}, between(record.startedAt, record.finishedAt)),
    h('td', {}, record.outcome === 'Promoted' ? between(record.committedAt, record.finishedAt) : '–'),
    h('td', {}, record.by ?? '–'),
    h('td', { class: 'mono' }, record.commit?.slice(0, 10) ?? '–'),
  );
}

export function figuresView(figures) {
  if (figures.deliveries === 0) return undefined;
  const median = (seconds) => (seconds === undefined ? '–' : span(seconds * 1000));
  const tile = (value, what) => h('div', { class: 'tile' }, h('dd', {}, value), h('dt', {}, what));
  return h(
    'dl',
    { class: 'tiles', 'aria-label': 'Delivery metrics' },
    tile(`${figures.promoted} of ${figures.deliveries}`, `promoted, in ${ago(figures.since)}`),
    tile(
      figures.changeFailureRate === undefined ? '–' : `${Math.round(figures.changeFailureRate * 100)} %`,
      'change failure rate',
    ),
    tile(median(figures.durationSeconds), 'duration, median'),
    tile(median(figures.leadTimeSeconds), 'lead time, median'),
    tile(median(figures.restoreSeconds), 'time to restore, median'),
    tile(figures.undone, 'undone'),
  );
}

export function eventsView(events) {
  return h(
    'ul',
    { class: 'events' },
    events.map(({ at, warning, reason, note, count }) =>
      h(
        'li',
        {},
        h('time', { class: 'muted', datetime: at, title: at }, ago(at)),
        h('strong', { class: warning ? 'warn' : undefined }, warning && '! ', reason),
        h('span', {}, note, count > 1 && h('span', { class: 'muted' }, ` (${count} times)`)),
      ),
    ),
  );
}

export function podsView({ revisions, otherPods }) {
  const pods = [...revisions.flatMap(({ pods: own }) => own), ...otherPods];
  if (pods.length === 0) return undefined;
  const heads = ['Pod', 'Component', 'State', 'Restarts', 'Age'];
  return h(
    'details',
    { class: 'card', 'data-key': 'pods' },
    h('summary', {}, `Pods (${pods.length})`),
    h(
      'div',
      { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'All pods' },
      h(
        'table',
        {},
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            heads.map((head) => h('th', { scope: 'col' }, head)),
          ),
        ),
        h(
          'tbody',
          {},
          pods.map(({ name, component, state, status, restarts, createdAt }) =>
            h(
              'tr',
              { 'data-key': name },
              h('td', { class: 'mono' }, name),
              h('td', {}, component),
              h('td', {}, `${state} (${status})`),
              h('td', { class: 'number' }, restarts),
              h('td', {}, ago(createdAt)),
            ),
          ),
        ),
      ),
    ),
  );
}
