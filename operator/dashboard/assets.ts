/** Files of the page, read once. Only these paths are served, so path traversal is not possible. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { shippedPath } from '../../contract/shipped-files.js';

export interface Asset {
  type: string;
  body: Buffer;
}

const SCRIPT = 'text/javascript; charset=utf-8';
const STYLE = 'text/css; charset=utf-8';
const SCRIPTS = [
  ...['app', 'actions', 'charts', 'connection', 'detail', 'dom', 'interval', 'list', 'sections', 'words'],
];

export function readAssets(): ReadonlyMap<string, Asset> {
  const chart = (file: string) => readFileSync(new URL(file, import.meta.resolve('uplot/dist/uPlot.esm.js')));
  // In the source folder: the page is served without compilation.
  const page = shippedPath('operator/dashboard/page', import.meta.url);
  const own = (file: string) => readFileSync(join(page, file));
  return new Map<string, Asset>([
    ['/', { type: 'text/html; charset=utf-8', body: own('index.html') }],
    ['/assets/style.css', { type: STYLE, body: own('style.css') }],
    ['/assets/icon.svg', { type: 'image/svg+xml', body: own('icon.svg') }],
    ['/assets/uplot.js', { type: SCRIPT, body: chart('uPlot.esm.js') }],
    ['/assets/uplot.css', { type: STYLE, body: chart('uPlot.min.css') }],
    ...SCRIPTS.map((name): [string, Asset] => [
      `/assets/${name}.js`,
      { type: SCRIPT, body: own(`${name}.js`) },
    ]),
  ]);
}
