import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { delimiter } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { readerKubeconfig } from '../../support/cluster/accounts.js';
import { eventually, image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';
import { accessibilityProblems, startBrowser } from '../../support/servers/browser.js';
import { HttpEndpoint } from '../../support/servers/http-endpoint.js';

/** A process of `kubectl pcf dashboard`. */
class Dashboard {
  private constructor(
    private readonly child: ChildProcess,
    readonly address: string,
  ) {}

  static async start(
    sandbox: Sandbox,
    args: string[],
    more: Record<string, string> = {},
  ): Promise<Dashboard> {
    const env = { ...process.env, PATH: sandbox.commandsDir + delimiter + process.env.PATH, ...more };
    const all = ['pcf', 'dashboard', '--no-open', ...args];
    const child = spawn('kubectl', all, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (part: string) => (text += part));
    const findAddress = () => /http:\S+/.exec(text)?.[0];
    await eventually(`an address in: ${text}`, () => findAddress() !== undefined || child.exitCode !== null);
    const address = findAddress();
    if (!address) throw new Error(text);
    return new Dashboard(child, address);
  }

  get origin(): string {
    return new URL(this.address).origin;
  }

  get token(): string {
    return this.address.split('#token=')[1]!;
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.origin + path, { headers });
  }

  async stop(): Promise<number | null> {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGINT');
    await ended;
    return this.child.exitCode;
  }
}

describe('kubectl pcf dashboard', () => {
  let sandbox: Sandbox;
  let api: TestApi;
  let browser: Browser;
  let dashboard: Dashboard;
  let context: BrowserContext;
  let page: Page;
  let judge: HttpEndpoint;
  const requested: string[] = [];
  /** Bodies of the POST requests, which buttons send. */
  const posted: string[] = [];
  const problems: string[] = [];

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    const started = await startBrowser();
    if (!started) this.skip();
    browser = started;
    sandbox = await sharedSandbox();
    const steps = [
      { weight: 25, pause: true },
      { weight: 60, hold: '10m' },
    ];
    api = await TestApi.create(sandbox, await newTenant(sandbox, 'dashboard'), {
      strategy: { type: 'Canary', canary: { steps } },
    });
    await api.ready();
    dashboard = await Dashboard.start(sandbox, ['-n', api.namespace]);
    await api.patch({ image: image('1.1.0') });
    await api.watch.until(
      'the canary pauses at weight 25',
      (view) => view?.status?.traffic?.effectiveWeight === 25,
    );
    context = await browser.newContext({ viewport: { width: 1360, height: 1000 }, colorScheme: 'light' });
    page = await context.newPage();
    page.on('request', (request) => {
      requested.push(request.url());
      if (request.method() === 'POST') posted.push(request.postData() ?? '');
    });
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(error.message));
    await page.goto(dashboard.address);
  });
  after(async () => {
    await browser?.close();
    await dashboard?.stop();
    await api?.remove();
    await judge?.stop();
  });

  const text = (selector: string) => page.locator(selector).innerText();
  const shows = (selector: string, wanted: string | RegExp) =>
    eventually(`${selector} shows ${wanted}`, async () =>
      typeof wanted === 'string'
        ? (await text(selector)).includes(wanted)
        : wanted.test(await text(selector)),
    );

  it('shows phase, weights, waiting reason, revisions, pods, steps and migration of a canary', async () => {
    await shows('#phase', 'Canary');
    assert.match(await text('#waiting'), /receives 25 % of the traffic.*waiting for manual promotion/);
    assert.deepEqual([await text('#effective'), await text('#desired')], ['25 %', '25 %']);
    assert.match(await text('.traffic'), /read back from the route/);
    await shows('.revision.stable', 'pcf-api:1.0.0');
    await shows('.revision.canary', 'pcf-api:1.1.0');
    assert.equal(await page.locator('.revision.canary .pod.ready').count(), 1);
    assert.match(await text('.step[aria-current=step]'), /25 %[\s\S]*pause/);
    assert.match(await text('[data-key=migration]'), /Succeeded/);
    assert.match(await text('[data-key=history]'), /Promoted/);
    assert.match(await text('[data-key=events]'), /WeightChanged/);
    assert.ok(await page.locator('#chart canvas').isVisible());
    assert.equal(await page.title(), 'api: Canary');
  });

  it('keeps the token out of the address and out of cookies', async () => {
    assert.doesNotMatch(page.url(), /token/);
    assert.deepEqual(await context.cookies(), []);
  });

  it('shows an edit without a page reload, and keeps the focus', async () => {
    await page.evaluate('window.mark = 1');
    await page.locator('button[data-act=pause]').focus();
    await api.patch({ canaryWeight: 50 });
    await shows('#effective', '50 %');
    await shows('#live', /receives 50 % of the traffic/);
    assert.equal(await page.evaluate('window.mark'), 1);
    assert.equal(await page.evaluate('document.activeElement.dataset.act'), 'pause');
  });

  it('is usable with the keyboard only: filter, list, weight and confirmation', async () => {
    await page.keyboard.press('/');
    await page.keyboard.type('no such');
    await shows('#rows', 'No PcfApi matches the filter');
    await page.keyboard.press('Escape');
    await page.keyboard.press('ArrowDown');
    assert.match(String(await page.evaluate('document.activeElement.href')), /#\/dashboard-\d+\/api$/);
    await page.keyboard.press('Enter');
    await shows('#phase', 'Canary');
    for (let presses = 0; (await page.evaluate('document.activeElement.id')) !== 'weight'; presses += 1) {
      assert.ok(presses < 20, 'Tab reaches the weight');
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.type('30');
    await page.keyboard.press('Enter');
    await page.locator('#confirm[open]').waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await shows('#said', 'api: canaryWeight 50 -> 30');
    await shows('#effective', '30 %');
    assert.equal(posted.length, 1);
  });

  it('sends no request when the confirmation is cancelled', async () => {
    await page.locator('button[data-act=abort]').click();
    const before = posted.length;
    await page.keyboard.press('Escape');
    await page.locator('#confirm:not([open])').waitFor({ state: 'attached' });
    // A request would follow the close event of the dialog, which fires after the dialog is closed.
    await page.evaluate('new Promise((resolve) => setTimeout(resolve, 200))');
    assert.deepEqual(posted.slice(before), []);
    assert.equal(api.status.phase, 'Canary');
  });

  for (const colorScheme of ['light', 'dark'] as const)
    for (const width of [1360, 390])
      it(`is accessible and not cut off in ${colorScheme} mode at ${width} pixels`, async () => {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 1000 });
        assert.deepEqual(await accessibilityProblems(page), []);
        const wide = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
        assert.equal(wide, 0, 'the page scrolls sideways');
      });

  it('has different backgrounds in light and dark mode', async () => {
    const background = async (colorScheme: 'light' | 'dark') => {
      await page.emulateMedia({ colorScheme });
      return String(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
    };
    assert.notEqual(await background('light'), await background('dark'));
  });

  it('sends requests only to its own server, and does not violate its Content-Security-Policy', () => {
    assert.ok(requested.length > 5);
    for (const url of requested) assert.equal(new URL(url).origin, dashboard.origin);
    assert.deepEqual(problems, []);
  });

  it('rejects requests without the token, with another host name, or from another origin', async () => {
    const bearer = { authorization: `Bearer ${dashboard.token}` };
    const statusOf = async (path: string, headers = {}) => (await dashboard.get(path, headers)).status;
    assert.equal(await statusOf('/api/pcfapis'), 401);
    assert.equal(await statusOf('/api/events'), 401);
    assert.equal(await statusOf('/api/pcfapis', { authorization: 'Bearer no' }), 401);
    assert.equal(await statusOf('/api/pcfapis', bearer), 200);
    assert.equal(await statusOf('/assets/../server.js'), 404);
    const policy = (await dashboard.get('/')).headers.get('content-security-policy');
    assert.match(policy ?? '', /default-src 'none'; script-src 'self'/);
    const action = (headers: Record<string, string>) =>
      fetch(`${dashboard.origin}/api/actions`, {
        method: 'POST',
        headers: { ...bearer, 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ namespace: api.namespace, name: 'api', action: 'abort' }),
      });
    assert.equal((await action({ origin: 'http://evil.example' })).status, 403);
    assert.equal((await action({})).status, 403);
    assert.equal(await rebound(dashboard.origin), 421);
    assert.equal(api.status.phase, 'Canary');
  });

  it('reconnects after a connection loss without a page reload', async () => {
    await context.setOffline(true);
    await page.evaluate('dispatchEvent(new Event("hashchange"))');
    await shows('#connection', 'connection lost');
    await api.patch({ canaryWeight: 40 });
    await context.setOffline(false);
    await shows('#connection', 'live');
    await shows('#effective', '40 %');
  });

  it("is limited to the caller's permissions, and shows the error message of the API server", async () => {
    const kubeconfig = await readerKubeconfig(sandbox, api.namespace, 'watcher');
    const reader = await Dashboard.start(sandbox, ['-n', api.namespace, '--kubeconfig', kubeconfig]);
    try {
      const readers = await browser.newPage();
      await readers.goto(reader.address);
      await readers.locator('button[data-act=abort]').click();
      await readers.locator('#confirm-yes').click();
      const said = readers.locator('#said.bad');
      await said.waitFor();
      assert.match(
        await said.innerText(),
        /Action failed: pcfapis\.pcf\.dev "api" is forbidden: User .*watcher/,
      );
      assert.match(await readers.locator('#notices').innerText(), /not shown: pods is forbidden/);
      assert.equal(api.status.phase, 'Canary');
    } finally {
      await reader.stop();
    }
  });

  it('promotes a canary with a weight of 100, and then shows the new revision as stable', async () => {
    await page.setViewportSize({ width: 1360, height: 1000 });
    await api.patch({ canaryWeight: null });
    await page.locator('button[data-act=pause]').waitFor();
    await page.locator('#weight').fill('100');
    await page.locator('form.weight button').click();
    await page.locator('#confirm-yes').click();
    await shows('#phase', 'Ready');
    await shows('.all', '100 % pcf-api:1.1.0');
    await shows('[data-key=history]', '1.1.0');
  });

  it('shows the analysis message with escaped markup, and retries an aborted delivery', async () => {
    const hostile = '<img src=x onerror="window.hurt = 1"><script>window.hurt = 1</script>';
    judge = await HttpEndpoint.start();
    judge.answer = { body: JSON.stringify({ verdict: 'Failure', message: hostile }) };
    const metrics = [{ name: 'judge', webhook: { url: judge.url } }];
    const analysis = { interval: '1s', initialDelay: '0s', count: 2, metrics };
    await api.patch({
      strategy: { canary: { steps: [{ weight: 50, hold: '10m' }], analysis } },
      config: { logging: { level: 'warn' } },
    });
    await api.reason('AnalysisFailed');
    await shows('#phase', 'Failed');
    await shows('#waiting', hostile);
    await shows('[data-key=analysis]', /judge[\s\S]*Failed/);
    assert.ok((await text('[data-key=analysis]')).includes(hostile));
    await shows('[data-key=history]', /Aborted AnalysisFailed[\s\S]*pcf-operator/);
    assert.equal(await page.locator('article img, article script').count(), 0);
    assert.equal(await page.evaluate('typeof window.hurt'), 'undefined');

    const { at } = api.status.failed!;
    await page.locator('button[data-act=retry]').click();
    await page.locator('#confirm-yes').click();
    await shows('#said', /api: retries api-\w+/);
    await api.watch.until('the delivery is retried', (view) => view?.status?.failed?.at !== at);
  });

  it('exits with code 0 on Ctrl-C, and reports an unusable port', async () => {
    const second = await Dashboard.start(sandbox, ['-n', api.namespace]);
    const port = new URL(second.address).port;
    await assert.rejects(
      Dashboard.start(sandbox, ['-n', api.namespace, '--port', port]),
      new RegExp(`error: port ${port} is already in use`),
    );
    assert.equal(await second.stop(), 0);
    await assert.rejects(Dashboard.start(sandbox, ['--port', '70000']), /whole number from 0 to 65535/);
  });
});

/** Returns the status of a DNS rebinding request. It uses node:http, because fetch can't set the Host header. */
async function rebound(origin: string): Promise<number | undefined> {
  const sent = request(`${origin}/`, { headers: { host: 'evil.example' } }).end();
  const [response] = (await once(sent, 'response')) as [{ statusCode?: number; resume(): void }];
  response.resume();
  return response.statusCode;
}
