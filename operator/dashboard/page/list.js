/** List of all PcfApis, with a text filter. */
import { h } from './dom.js';
import { PHASES, shortImage } from './words.js';

/** Rows in the page at first, and added by each "Show more": a page with thousands of rows is slow to draw. */
const PAGE = 50;

const order = new Intl.Collator('en').compare;

/** The rows, in the order of namespace and name. */
export class Rows {
  #byKey = new Map();
  #sorted = [];
  #shown = PAGE;
  #filter = '';

  /** Applies an update of the server. */
  update({ full, rows, removed }) {
    if (full) this.#byKey.clear();
    for (const key of removed) this.#byKey.delete(key);
    for (const row of rows) this.#byKey.set(keyOf(row), { ...row, text: textOf(row) });
    this.#sorted = [...this.#byKey.values()].sort(
      (a, b) => order(a.namespace, b.namespace) || order(a.name, b.name),
    );
  }

  get all() {
    return this.#sorted;
  }

  showMore() {
    this.#shown += PAGE;
  }

  view(filter, selected) {
    if (filter !== this.#filter) this.#shown = PAGE;
    this.#filter = filter;
    const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.#sorted.filter(({ text }) => words.every((word) => text.includes(word)));
    if (found.length === 0)
      return h(
        'p',
        { class: 'empty' },
        this.#sorted.length === 0 ? 'No PcfApi exists yet.' : 'No PcfApi matches the filter.',
      );
    const many = this.#sorted[0].namespace !== this.#sorted.at(-1).namespace;
    const shown = found.slice(0, this.#shown);
    const isSelected = (row) => selected && keyOf(row) === keyOf(selected);
    const chosen = shown.some(isSelected) ? undefined : found.find(isSelected);
    const inPage = chosen ? [chosen, ...shown] : shown;
    return [
      found.length > PAGE && h('p', { class: 'row-count muted' }, countText(found, words.length > 0)),
      h(
        'ul',
        { class: 'rows' },
        inPage.map((row) => h('li', { 'data-key': keyOf(row) }, rowView(row, many, selected))),
      ),
      shown.length < found.length &&
        h('button', { type: 'button', id: 'more', class: 'row-more' }, `Show ${PAGE} more`),
    ];
  }
}

const textOf = ({ namespace, name, phase, image, updateImage = '' }) =>
  `${namespace}/${name} ${phase} ${image} ${updateImage}`.toLowerCase();

/** 10,000 PcfApis: 9,800 Ready, 200 Canary */
function countText(rows, isFiltered) {
  const counts = new Map();
  for (const { phase } of rows) counts.set(phase, (counts.get(phase) ?? 0) + 1);
  const parts = [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([phase, count]) => `${number(count)} ${phase}`);
  return `${number(rows.length)} PcfApis${isFiltered ? ' match' : ''}: ${parts.join(', ')}`;
}

const number = (value) => value.toLocaleString('en');

export const keyOf = ({ namespace, name }) => `${namespace}/${name}`;

function rowView(row, many, selected) {
  const [sign, tone] = PHASES[row.phase];
  const delivering = row.effective !== undefined;
  return h(
    'a',
    {
      class: 'row',
      href: `#/${keyOf(row)}`,
      'aria-current': selected && keyOf(selected) === keyOf(row) ? 'page' : undefined,
    },
    h('span', { class: 'row-name' }, many && h('span', { class: 'muted' }, `${row.namespace}/`), row.name),
    h('span', { class: `sign ${tone}` }, h('span', { 'aria-hidden': 'true' }, sign), ` ${row.phase}`),
    h('span', { class: 'row-image muted' }, images(row)),
    h('span', { class: 'row-share' }, delivering ? `${row.effective} %` : `${row.ready}/${row.replicas}`),
    delivering &&
      h('span', { class: 'thin', 'aria-hidden': 'true' }, h('i', { style: { width: `${row.effective}%` } })),
  );
}

/** pcf-api:1.4.2 → 1.5.0 */
function images({ image, updateImage }) {
  if (!updateImage) return shortImage(image);
  const [from, to] = [shortImage(image), shortImage(updateImage)];
  const [name] = from.split(':');
  return `${from} → ${to.startsWith(`${name}:`) ? to.slice(name.length + 1) : to}`;
}
