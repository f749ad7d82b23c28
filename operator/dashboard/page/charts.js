/** Weight over time: desired (dashed) and effective (filled), as a step chart up to now. */
import uPlot from './uplot.js';
import { now } from './words.js';

const HEIGHT = 190;
/** Shortest time range. */
const LEAST_SECONDS = 120;
const INCREMENTS = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400];

export class WeightChart {
  constructor(place) {
    this.place = place;
    this.points = [];
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(place);
    this.scheme = matchMedia('(prefers-color-scheme: dark)');
    this.recolour = () => this.draw();
    this.scheme.addEventListener('change', this.recolour);
    this.draw();
  }

  /** Sets the points, oldest first. */
  update(points) {
    this.points = points;
    this.tick();
  }

  /** Extends the line to the current time. */
  tick() {
    this.plot?.setData(this.data());
  }

  remove() {
    this.observer.disconnect();
    this.scheme.removeEventListener('change', this.recolour);
    this.plot?.destroy();
  }

  data() {
    const last = this.points.at(-1);
    if (!last) return [[], [], []];
    const all = [...this.points, { ...last, at: Math.max(now(), last.at) }];
    return [
      all.map(({ at }) => at / 1000),
      all.map(({ desired }) => desired),
      all.map(({ effective }) => effective),
    ];
  }

  resize() {
    const width = this.place.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  draw() {
    this.plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const font = '12px system-ui, sans-serif';
    const axis = {
      stroke: colour('muted'),
      font,
      grid: { stroke: colour('line'), width: 1 },
      ticks: { show: false },
    };
    const paths = uPlot.paths.stepped({ align: 1 });
    this.plot = new uPlot(
      {
        width: this.place.clientWidth || 400,
        height: HEIGHT,
        padding: [10, 14, 0, 0],
        cursor: { show: false },
        legend: { show: false },
        scales: {
          x: {
            time: true,
            range: (_plot, from, to) => [Math.min(from ?? 0, (to ?? 0) - LEAST_SECONDS), to ?? 1],
          },
          y: { range: [0, 100] },
        },
        axes: [
          { ...axis, grid: { show: false }, size: 28, space: 58, incrs: INCREMENTS, values: clocks },
          {
            ...axis,
            size: 48,
            splits: () => [0, 25, 50, 75, 100],
            values: (_plot, all) => all.map((it) => `${it} %`),
          },
        ],
        series: [
          {},
          { stroke: colour('ink'), width: 1.5, dash: [5, 4], paths, points: { show: false } },
          {
            stroke: colour('canary'),
            width: 2.5,
            fill: colour('canary-wash'),
            paths,
            points: { show: false },
          },
        ],
      },
      this.data(),
      this.place,
    );
  }
}

/** Shows seconds only if ticks are less than a minute apart. */
function clocks(_plot, times, _axis, _space, increment) {
  const format = {
    hour: '2-digit',
    minute: '2-digit',
    ...(increment < 60 ? { second: '2-digit' } : {}),
    hour12: false,
  };
  return times.map((seconds) => new Date(seconds * 1000).toLocaleTimeString([], format));
}
