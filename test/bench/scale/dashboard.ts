/** `kubectl pcf dashboard` in a browser, and `kubectl pcf status`, with thousands of PcfApis. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { delimiter } from 'node:path';
import type { Page } from 'playwright-core';
import { eventually } from '../../support/cluster/pcf-api.js';
import { startBrowser } from '../../support/servers/browser.js';
import type { Row } from '../history.js';
import { type BenchCluster, NAMESPACE, seconds } from '../operator/cluster.js';

const FILTERS = ['a', 'api-0', 'api-00', 'canary', 'ready', 'registry', ''];

export async function dashboardRows(cluster: BenchCluster): Promise<Row[]> {
  const status = await seconds(async () => {
    await cluster.sandbox.kubectlPcf(['status', cluster.names.at(-1)!, '-n', NAMESPACE]);
  });
  const rows: Row[] = [{ name: 'kubectl pcf status', value: status, unit: 's', goal: '<= 1' }];
  const browser = await startBrowser();
  if (!browser) return rows;
  const env = { ...process.env, PATH: cluster.sandbox.commandsDir + delimiter + process.env.PATH };
  const args = ['pcf', 'dashboard', '--no-open', '-n', NAMESPACE];
  const child = spawn('kubectl', args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
    const started = await seconds(() =>
      eventually('the address of the dashboard', () => /http:\S+/.test(text)),
    );
    const page = await browser.newPage({ viewport: { width: 1360, height: 1000 } });
    await page.goto(/http:\S+/.exec(text)![0]);
    const measured = await pageTimes(page);
    return [
      ...rows,
      { name: 'kubectl pcf dashboard, start', value: started, unit: 's' },
      { name: 'dashboard, first paint', value: measured.paint, unit: 'ms', goal: '<= 1000' },
      { name: 'dashboard, first rows', value: measured.rows, unit: 'ms', goal: '<= 1000' },
      { name: 'dashboard, slowest filter', value: measured.filter, unit: 'ms', goal: '<= 50' },
    ];
  } finally {
    const ended = once(child, 'exit');
    child.kill('SIGINT');
    await ended;
    await browser.close();
  }
}

/** Times in milliseconds since the navigation. */
async function pageTimes(page: Page): Promise<{ paint: number; rows: number; filter: number }> {
  await page.locator('#rows a').first().waitFor();
  const rows = Number(await page.evaluate('performance.now()'));
  const paint = Number(
    await page.evaluate(`performance.getEntriesByName('first-contentful-paint')[0]?.startTime`),
  );
  // Includes the layout, which the browser would do before the next frame.
  const filter = Number(
    await page.evaluate(`(async () => {
      const field = document.getElementById('filter');
      const times = [];
      for (const text of ${JSON.stringify(FILTERS)}) {
        const startedAt = performance.now();
        field.value = text;
        field.dispatchEvent(new Event('input'));
        void document.body.offsetHeight;
        times.push(performance.now() - startedAt);
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
      return Math.max(...times);
    })()`),
  );
  return { paint, rows, filter };
}
