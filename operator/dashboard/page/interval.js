/** Interval of a sequential test over time: it narrows until it is above 0, or below the smallest relevant effect. */
import { h, svg } from './dom.js';

const WIDTH = 300;
const HEIGHT = 84;

/** `text`: the interval as a sentence, the label of the picture. */
export function intervalView({ since, lower, upper, minEffect, history }, text) {
  // Without requests, any difference is possible.
  const points = [{ at: since, lower: -1, upper: 1 }, ...history];
  const scale = scaleOf(points, { since, lower, upper, minEffect });
  const edge = (key) => points.map((point) => `${scale.x(point.at)},${scale.y(point[key])}`);
  const tone = lower > 0 ? 'bad' : upper < minEffect ? 'ok' : 'busy';
  return h(
    'figure',
    { class: `interval ${tone}` },
    svg(
      'svg',
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': text },
      svg('polygon', { class: 'band', points: [...edge('upper'), ...edge('lower').reverse()].join(' ') }),
      line('zero', scale.y(0)),
      line('effect', scale.y(minEffect)),
      svg('polyline', { class: 'edge', points: edge('upper').join(' ') }),
      svg('polyline', { class: 'edge', points: edge('lower').join(' ') }),
    ),
    h(
      'figcaption',
      { class: 'small' },
      text,
      h(
        'span',
        { class: 'muted' },
        ' · passes when all of it is below the dashed line, and aborts the delivery when all of it is above the solid one',
      ),
    ),
  );
}

/** The first intervals are as wide as the whole scale, so it shows some times the effect and the last interval. */
function scaleOf(points, { since, lower, upper, minEffect }) {
  const top = Math.max(3 * minEffect, Math.min(1, upper * 1.25));
  const bottom = Math.min(-2 * minEffect, Math.max(-1, lower * 1.25));
  const [start, end] = [Date.parse(since), Date.parse(points.at(-1).at)];
  const within = (share) => Math.min(1, Math.max(0, share));
  return {
    x: (at) => rounded(WIDTH * (end > start ? within((Date.parse(at) - start) / (end - start)) : 1)),
    y: (value) => rounded(HEIGHT * within((top - value) / (top - bottom))),
  };
}

const line = (kind, y) => svg('line', { class: kind, x1: 0, x2: WIDTH, y1: y, y2: y });

const rounded = (value) => Math.round(value * 10) / 10;
