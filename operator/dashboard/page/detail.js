/** Details of one PcfApi: delivery, traffic, revisions. */
import { actionsView } from './actions.js';
import { h } from './dom.js';
import { analysisView, eventsView, figuresView, historyView, migrationView, podsView } from './sections.js';
import { now, PHASES, PODS, shortImage, shortRevision, span } from './words.js';

export function detailView(detail, canAct) {
  return h(
    'article',
    { class: 'detail', 'data-key': `${detail.namespace}/${detail.name}` },
    hero(detail, canAct),
    detail.faults && h('p', { class: 'note warn' }, h('strong', {}, '! To fix: '), detail.faults),
    detail.windows && windowsView(detail.windows),
    detail.autoscaling &&
      h('p', { class: 'note' }, h('strong', {}, 'Autoscaling: '), detail.autoscaling.join('; ')),
    detail.steps && detail.steps.of > 0 && stepsView(detail.steps),
    h(
      'div',
      { class: 'pair', 'data-key': 'pair' },
      card('Revisions', revisionsView(detail), 'revisions'),
      card('Weight over time', chartView(detail), 'chart'),
    ),
    (detail.analysis || detail.migration) &&
      h(
        'div',
        { class: 'pair', 'data-key': 'judged' },
        detail.analysis && card('Analysis', analysisView(detail.analysis), 'analysis'),
        detail.migration && card('Migration', migrationView(detail.migration), 'migration'),
      ),
    card('History', historyView(detail.history), 'history', figuresView(detail.figures)),
    detail.events.length > 0 && card('Events', eventsView(detail.events), 'events'),
    podsView(detail),
  );
}

export function card(title, body, key, before) {
  return h(
    'section',
    { class: 'card', 'data-key': key, 'aria-labelledby': `title-${key}` },
    h('h2', { id: `title-${key}` }, title),
    before,
    body,
  );
}

function hero(detail, canAct) {
  const [sign, tone] = PHASES[detail.phase];
  return h(
    'section',
    { class: `card hero ${tone}`, 'data-key': 'hero', 'aria-labelledby': 'title' },
    h(
      'div',
      { class: 'hero-head' },
      h('h1', { id: 'title' }, detail.name, h('span', { class: 'muted' }, ` in ${detail.namespace}`)),
      h(
        'span',
        { class: `pill ${tone}`, id: 'phase' },
        h('span', { 'aria-hidden': 'true' }, sign),
        ` ${detail.phase}`,
      ),
      canAct && actionsView(detail),
    ),
    h('p', { class: 'waiting', id: 'waiting' }, detail.message),
    h(
      'p',
      { class: 'muted since' },
      detail.since && [
        'for ',
        h(
          'time',
          { datetime: detail.since, 'data-since': detail.since },
          span(now() - Date.parse(detail.since)),
        ),
      ],
      detail.deliveringSince && [
        ' · delivery in progress for ',
        h(
          'time',
          { datetime: detail.deliveringSince, 'data-since': detail.deliveringSince },
          span(now() - Date.parse(detail.deliveringSince)),
        ),
      ],
      detail.behind && ' · the operator has not observed the last edit yet',
    ),
    trafficView(detail),
  );
}

/** Without a held step, only measured values are shown. */
function windowsView(lines) {
  const isOpen = lines[0].startsWith('Open');
  const title = h('strong', {}, isOpen ? 'Windows: ' : '‖ Windows: ');
  return h('p', { class: isOpen ? 'note' : 'note held' }, title, lines.join('; '));
}

function trafficView({ delivering, traffic, desired = 0, effective = 0, image, updateImage, revisions }) {
  if (!delivering || !updateImage) {
    const [stable] = revisions.filter(({ role }) => role === 'stable');
    return stable && h('p', { class: 'all' }, h('b', {}, '100 %'), ` ${shortImage(image)}`);
  }
  return h(
    'div',
    { class: 'traffic' },
    h(
      'div',
      { class: 'numbers' },
      h('div', {}, h('b', { id: 'effective' }, `${effective} %`), h('span', { class: 'muted' }, 'effective')),
      h(
        'div',
        {},
        h('b', { id: 'desired', class: desired === effective ? 'muted' : 'warn' }, `${desired} %`),
        h('span', { class: 'muted' }, 'desired'),
      ),
    ),
    h(
      'div',
      { class: 'flow' },
      h(
        'div',
        { class: 'ends' },
        h(
          'span',
          {},
          h('i', { class: 'dot stable' }),
          'stable ',
          h('strong', {}, shortImage(image)),
          ` ${100 - effective} %`,
        ),
        h(
          'span',
          {},
          h('i', { class: 'dot canary' }),
          'canary ',
          h('strong', {}, shortImage(updateImage)),
          ` ${effective} %`,
        ),
      ),
      h(
        'div',
        {
          class: 'share',
          role: 'img',
          'aria-label': `${effective} % of the traffic to the canary, desired ${desired} %`,
        },
        h('i', { class: 'stable', style: { width: `${100 - effective}%` } }),
        h('i', { class: 'canary', style: { width: `${effective}%` } }),
        h('u', { style: { left: `${100 - desired}%` } }),
      ),
      h(
        'p',
        { class: 'muted' },
        traffic.reason && [h('span', { class: 'warn' }, `! limited: ${traffic.reason}`), ' · '],
        traffic.verified ? '✓ read back from the route' : '… not read back from the route yet',
        traffic.stickyCookie && ` · sticky users by cookie ${traffic.stickyCookie}`,
      ),
    ),
  );
}

function stepsView({ stages, index, of, waitingFor, since }) {
  const all = [...stages, { weight: 100, state: index >= of ? 'now' : 'ahead', last: true }];
  return card(
    `Steps: ${index >= of ? `all ${of} done` : `${index + 1} of ${of}`}`,
    [
      h(
        'ol',
        { class: 'steps', tabindex: 0, 'aria-label': 'Steps' },
        all.map((stage, place) => stepView(stage, place, since)),
      ),
      waitingFor && h('p', { class: 'muted step-waits' }, `waiting for ${waitingFor}`),
    ],
    'steps',
  );
}

function stepView({ weight, holdMs, pause, analysis = [], state, last }, place, since) {
  const words = { done: 'done', now: 'now', ahead: 'ahead' };
  const until = state === 'now' && holdMs > 0 && since ? Date.parse(since) + holdMs : undefined;
  return h(
    'li',
    { class: `step ${state}`, 'aria-current': state === 'now' ? 'step' : undefined },
    h('span', { class: 'knot', 'aria-hidden': 'true' }, state === 'done' ? '✓' : last ? '★' : `${place + 1}`),
    h('b', {}, `${weight} %`),
    h('span', { class: 'unseen' }, words[state]),
    last && h('span', { class: 'muted' }, 'promotes'),
    holdMs > 0 && h('span', { class: 'muted' }, `hold ${span(holdMs)}`),
    until && h('span', { class: 'left', 'data-until': until }, left(until)),
    pause && h('span', { class: 'muted' }, '‖ pause'),
    analysis.map((name) => h('span', { class: 'muted' }, `⌕ ${name}`)),
  );
}

export function left(until) {
  const ms = until - now();
  return ms > 0 ? `${span(ms)} left` : 'hold ended';
}

function revisionsView({ revisions }) {
  if (revisions.length === 0) return h('p', { class: 'empty' }, 'No revision has pods yet.');
  return h('div', { class: 'revisions' }, revisions.map(revisionView));
}

function revisionView({ name, role, image, replicas, readyReplicas, weight, workers, pods }) {
  const troubles = [...new Set(pods.map(({ trouble }) => trouble).filter(Boolean))];
  const missing = Math.max(0, replicas - pods.length);
  return h(
    'div',
    { class: `revision ${role}`, 'data-key': name },
    h(
      'div',
      { class: 'revision-head' },
      h('span', { class: `role ${role}` }, role),
      h('b', {}, `${weight} %`),
    ),
    h('strong', { class: 'image', title: image }, shortImage(image)),
    h('span', { class: 'muted mono', title: name }, shortRevision(name)),
    h(
      'ul',
      { class: 'pods', 'aria-label': `pods of ${name}` },
      pods.map(({ name: pod, state, status, restarts }) =>
        h(
          'li',
          { class: `pod ${state}`, title: `${pod}: ${state} (${status}, ${restarts} restarts)` },
          h('span', { 'aria-hidden': 'true' }, PODS[state]),
          h('span', { class: 'unseen' }, `${pod}: ${state}`),
        ),
      ),
      Array.from({ length: missing }, () =>
        h(
          'li',
          { class: 'pod absent', title: 'not created yet' },
          h('span', { class: 'unseen' }, 'not created yet'),
        ),
      ),
    ),
    h('span', { class: 'muted' }, `${readyReplicas} of ${replicas} ready`),
    workers && h('span', { class: 'muted' }, workersText(workers)),
    troubles.map((trouble) => h('p', { class: 'trouble' }, `! ${trouble}`)),
  );
}

/** Only with a canary of the worker. */
function workersText({ readyReplicas, replicas, share }) {
  return `${readyReplicas} of ${replicas} workers ready, ${share} % of the jobs`;
}

/** WeightChart draws the canvas. */
function chartView({ weights, desired = 0, effective = 0 }) {
  const [first] = weights;
  return [
    h(
      'p',
      { class: 'legend muted' },
      h('span', {}, h('i', { class: 'line-solid' }), 'effective'),
      h('span', {}, h('i', { class: 'line-dashed' }), 'desired'),
      first &&
        h(
          'span',
          { class: 'from' },
          `recorded since ${new Date(first.at).toLocaleTimeString([], { hour12: false })}`,
        ),
    ),
    h('div', {
      id: 'chart',
      class: 'chart',
      'data-own': true,
      'data-key': 'canvas',
      role: 'img',
      'aria-label': `Weight over time; now effective ${effective} %, desired ${desired} %`,
    }),
  ];
}
