/** Entry point of the page: selection, data from the server, keyboard shortcuts. */
import { perform } from './actions.js';
import { WeightChart } from './charts.js';
import { follow, keepToken, takeToken } from './connection.js';
import { detailView, left } from './detail.js';
import { h, show } from './dom.js';
import { keyOf, Rows } from './list.js';
import { now, setClock, span } from './words.js';

const place = (id) => document.getElementById(id);
const rows = new Rows();
let list = { notices: [], canAct: false };
let detail;
let chart;
let following = new AbortController();
let announced = '';

/** The PcfApi that the URL selects: #/namespace/name */
function selected() {
  const [, namespace, name] = /^#\/([^/]+)\/([^/]+)$/.exec(location.hash) ?? [];
  return namespace ? { namespace, name } : undefined;
}

function drawList() {
  show(place('rows'), rows.view(place('filter').value, selected()));
  show(
    place('notices'),
    list.notices.map((notice) => h('p', { class: 'note warn' }, `! not shown: ${notice}`)),
  );
}

function drawDetail() {
  const wanted = selected();
  if (!wanted) show(place('detail'), h('p', { class: 'empty' }, 'Select a PcfApi.'));
  else if (detail === null)
    show(place('detail'), h('p', { class: 'empty' }, `PcfApi ${keyOf(wanted)} not found.`));
  else if (detail) show(place('detail'), detailView(detail, list.canAct));
  drawChart();
  document.title = detail ? `${detail.name}: ${detail.phase}` : 'PCF deliveries';
}

function drawChart() {
  const canvas = place('chart');
  if (chart && chart.place !== canvas) {
    chart.remove();
    chart = undefined;
  }
  if (!canvas || !detail) return;
  chart ??= new WeightChart(canvas);
  chart.update(detail.weights);
  const { effective = 0, desired = 0 } = detail;
  canvas.setAttribute('aria-label', `Weight over time; now effective ${effective} %, desired ${desired} %`);
}

/** Announces a changed message to screen readers, but not the running time. */
function announce() {
  if (!detail) return;
  const news = `${detail.name} ${detail.phase}: ${detail.message}`;
  if (news !== announced) place('live').textContent = news;
  announced = news;
}

const on = {
  beat: setClock,
  list(data) {
    list = data;
    rows.update(data);
    if (!selected() && rows.all.length > 0) location.replace(`#/${keyOf(firstOf(rows.all))}`);
    drawList();
    if (detail) drawDetail();
  },
  detail(data) {
    detail = data;
    drawDetail();
    announce();
  },
};

/** PcfApis with a delivery in progress come first. */
const firstOf = (all) => all.find(({ phase }) => phase !== 'Ready') ?? all[0];

function connect() {
  following.abort();
  following = new AbortController();
  detail = undefined;
  drawDetail();
  drawList();
  follow(selected(), { event: (name, data) => on[name]?.(data), state: showState }, following.signal);
}

const STATES = {
  live: ['● live', 'ok'],
  lost: ['◌ connection lost, reconnecting', 'warn'],
  refused: ['✗ rejected', 'bad'],
};

function showState(state, refusal) {
  const [text, tone] = STATES[state];
  const sign = place('connection');
  if (sign.textContent !== text) sign.textContent = text;
  sign.className = `connection ${tone}`;
  document.body.classList.toggle('stale', state === 'lost');
  if (state === 'refused') show(place('detail'), refusedView(refusal));
}

function refusedView({ status, message }) {
  return [
    h('p', { class: 'note bad', role: 'alert' }, `✗ ${message}`),
    status === 401 &&
      h(
        'form',
        { class: 'card token', 'data-act': 'token' },
        h('label', { for: 'token' }, 'Token'),
        h('input', { id: 'token', type: 'password', autocomplete: 'off', required: true, 'data-own': true }),
        h('button', { type: 'submit', class: 'primary' }, 'Show'),
      ),
  ];
}

function showResult(text, isError) {
  const line = place('said');
  line.textContent = text;
  line.className = `said ${isError ? 'bad' : 'ok'}`;
}

document.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-act]');
  if (event.target.closest('#more')) {
    rows.showMore();
    drawList();
  }
  if (button && detail) perform(button.dataset.act, detail, undefined, showResult);
});

document.addEventListener('submit', (event) => {
  const { act } = event.target.dataset;
  if (!act) return;
  event.preventDefault();
  if (act === 'token') {
    keepToken(place('token').value);
    return connect();
  }
  perform(act, detail, Number(place('weight').value), showResult);
});

place('filter').addEventListener('input', drawList);

document.addEventListener('keydown', (event) => {
  const inField = event.target.closest('input, dialog');
  if (event.key === '/' && !inField) {
    event.preventDefault();
    place('filter').select();
  }
  if (event.key === 'Escape' && event.target === place('filter')) {
    place('filter').value = '';
    drawList();
  }
  if (event.key === 'Enter' && event.target === place('filter')) place('rows').querySelector('a')?.click();
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && event.target.closest('nav')) {
    const links = [...place('rows').querySelectorAll('a')];
    event.preventDefault();
    links[Math.max(0, Math.min(links.length - 1, links.indexOf(document.activeElement) + step))]?.focus();
  }
});

setInterval(() => {
  for (const time of document.querySelectorAll('[data-since]'))
    time.textContent = span(now() - Date.parse(time.dataset.since));
  for (const time of document.querySelectorAll('[data-until]'))
    time.textContent = left(Number(time.dataset.until));
  chart?.tick();
}, 1000);

addEventListener('hashchange', () => {
  if (location.hash.startsWith('#token=')) takeToken();
  if (selected() || !location.hash) connect();
});

takeToken();
connect();
