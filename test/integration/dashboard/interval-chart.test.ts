import assert from 'node:assert/strict';
import type { Browser, Page } from 'playwright-core';
import type { Windows } from '../../../operator/analysis/analysis-model.js';
import { evaluateCounts } from '../../../operator/analysis/sequential/evaluate-counts.js';
import { withHistory } from '../../../operator/analysis/sequential/interval-history.js';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { analysis } from '../../../operator/api/v1alpha1/spec/analysis.js';
import type { SequentialStatus } from '../../../operator/api/v1alpha1/status/analysis.js';
import { DashboardServer } from '../../../operator/dashboard/server.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { accessibilityProblems, startBrowser } from '../../support/servers/browser.js';

const START = Date.parse('2026-11-30T12:00:00Z');
const MINUTE = 60_000;

/** Counts after some minutes with 60 requests per minute of the new revision, and 1 % errors of stable. */
function windows(perMinute: number, minutes: number, errorShare: number): Windows {
  const requests = perMinute * minutes;
  const values = {
    requests,
    errors: Math.round(requests * errorShare),
    total_requests: 72_000,
    total_errors: 720,
  };
  const samples = Object.entries(values).map(([counted, value]) => ({ labels: { counted }, value }));
  return { wide: samples, narrow: samples, wideSeconds: minutes * 60 };
}

describe('interval of a sequential test on the dashboard', () => {
  let browser: Browser;
  let server: DashboardServer;
  let page: Page;
  let api: PcfApi;
  let sequential: SequentialStatus | undefined;
  let changed = () => {};

  /** The status of the test after these minutes, with the intervals of the operator. */
  function measure(minutes: number, errorShare: number): SequentialStatus {
    const [spec] = analysis.parse({
      prometheus: { url: 'http://prometheus.test' },
      metrics: [{ name: 'success-rate', successRate: {}, sequential: { minEffect: 0.02 } }],
    }).metrics;
    const at = START + minutes * MINUTE;
    const reading = { type: 'Counts' as const, since: START, at };
    const [canary, stable] = [windows(60, minutes, errorShare), windows(1_140, minutes, 0.01)];
    const { sequential: interval } = evaluateCounts(spec!, { ...reading, canary, stable }, 0);
    sequential = withHistory(interval!, sequential, new Date(at).toISOString());
    const counts = { measurements: 1, failures: 0, inconclusive: 1, errors: 0, inARow: 1 };
    const since = new Date(START).toISOString();
    const [name, bound] = ['success-rate', 'success rate less than 0.02 below stable, alpha 0.01'];
    const metric = { name, verdict: 'Running' as const, message: 'not decided', bound, since, ...counts };
    const metrics = [{ ...metric, value: '0.99', stableValue: '0.99', sequential }];
    const verdict = { verdict: 'Running' as const, message: 'success-rate: not decided' };
    api.status = { phase: 'Canary', analysis: { revision: 'api-new', ...verdict, metrics } };
    changed();
    return sequential;
  }

  before(async function () {
    const started = await startBrowser();
    if (!started) return this.skip();
    browser = started;
    api = pcfApi();
    server = new DashboardServer({
      source: {
        pcfApis: () => [api],
        see: () => ({ api, pods: [], events: [], weights: [] }),
        notices: () => [],
        onChange: (listener) => {
          changed = listener;
          return () => {};
        },
      },
      ...{ admit: () => {}, host: '127.0.0.1', port: 0, names: ['127.0.0.1'] },
    });
    measure(1, 0.01);
    page = await browser.newPage({ viewport: { width: 1_000, height: 1_000 } });
    await page.goto(`http://127.0.0.1:${await server.listen()}/#token=none`);
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  /** Heights of the band over time, first to last, and where the line of the effect is. */
  async function band() {
    const points = async (selector: string, index: number) =>
      ((await page.locator(`.interval ${selector}`).nth(index).getAttribute('points')) ?? '')
        .split(' ')
        .map((point) => Number(point.split(',')[1]));
    const [upper, lower] = [await points('.edge', 0), await points('.edge', 1)];
    return upper.map((y, index) => lower[index]! - y);
  }

  it('narrows with the requests, and is drawn with 0 and the smallest relevant effect', async () => {
    await eventually('the first interval', async () => (await page.locator('.interval .band').count()) === 1);
    for (const minutes of [3, 6, 9, 12]) measure(minutes, 0.01);
    await eventually('five intervals', async () => (await band()).length === 6);
    const heights = await band();
    assert.deepEqual(
      heights,
      heights.toSorted((a, b) => b - a),
    );
    assert.ok(heights.at(-1)! > 0 && heights.at(-1)! < heights[0]! / 2, `${heights}`);
    const y = async (line: string) => Number(await page.locator(`.interval line.${line}`).getAttribute('y1'));
    assert.ok((await y('effect')) < (await y('zero')), 'a regression is above 0');
    const label = (await page.locator('.interval svg').getAttribute('aria-label')) ?? '';
    assert.match(
      label,
      /^failed requests -0.029\d percentage points \(from -[\d.]+ to \+[\d.]+\), 720 requests/,
    );
    assert.ok((await page.locator('.interval figcaption').innerText()).startsWith(label));
  });

  it('is accessible in both color schemes, with another color once the new revision is worse', async () => {
    const worse = measure(14, 0.08);
    assert.ok(worse.lower > 0);
    await eventually(
      'the color of a regression',
      async () => (await page.locator('.interval.bad').count()) === 1,
    );
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await accessibilityProblems(page), []);
      const folder = process.env.SCREENSHOTS;
      if (folder) await page.screenshot({ path: `${folder}/interval-${colorScheme}.png` });
    }
  });
});
