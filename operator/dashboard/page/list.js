/** List of all PcfApis, with a text filter. */
import { h } from './dom.js';
import { PHASES, shortImage } from './words.js';

export function listView(rows, filter, selected) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = rows.filter((row) => {
    const text =
      `${row.namespace}/${row.name} ${row.phase} ${row.image} ${row.updateImage ?? ''}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
  if (found.length === 0)
    return h(
      'p',
      { class: 'empty' },
      rows.length === 0 ? 'No PcfApi exists yet.' : 'No PcfApi matches the filter.',
    );
  const many = new Set(rows.map(({ namespace }) => namespace)).size > 1;
  return h(
    'ul',
    { class: 'rows' },
    found.map((row) => h('li', { 'data-key': keyOf(row) }, rowView(row, many, selected))),
  );
}

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
