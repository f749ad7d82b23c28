import assert from 'node:assert/strict';
import type { Browser } from 'playwright-core';
import { OperatorProcess } from '../../../sandbox/operator-process.js';
import { freePorts } from '../../../sandbox/process/ports.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { newAccount } from '../../support/accounts.js';
import { startBrowser } from '../../support/browser.js';
import { TestApi } from '../../support/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/sandbox.js';

/** What the chart gives the operator with dashboardPort. */
const REVIEWS = [
  { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
];
const LOOK = [
  { apiGroups: ['pcf.dev'], resources: ['pcfapis'], verbs: ['list'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
];

describe("the operator's own dashboard", function () {
  this.timeout(90_000);
  let sandbox: Sandbox;
  let operator: OperatorProcess;
  let api: TestApi;
  let browser: Browser | undefined;
  let origin: string;
  let token: string;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    const namespace = await newTenant(sandbox, 'page');
    api = await TestApi.create(sandbox, namespace);
    await newAccount(sandbox, {
      name: 'pcf-operator',
      namespace: 'pcf-system',
      rules: REVIEWS,
      everywhere: true,
    });
    token = await newAccount(sandbox, { name: 'auditor', namespace, rules: LOOK, everywhere: true });
    const [port] = await freePorts(1);
    origin = `http://127.0.0.1:${port}`;
    const { cluster } = sandbox.parts;
    const { stateDir, ledger } = sandbox;
    const args = ['--dashboard-port', `${port}`];
    operator = await OperatorProcess.start({ cluster, stateDir, ledger, args, name: 'standby' });
    await api.ready();
  });
  after(async () => {
    await browser?.close();
    await operator?.stop();
    await api?.remove();
  });

  const ask = async (bearer?: string, path = '/api/pcfapis') => {
    const response = await fetch(origin + path, {
      headers: bearer ? { authorization: `Bearer ${bearer}` } : {},
    });
    const { error = '', rows = [] } = (await response.json()) as {
      error?: string;
      rows?: { name: string }[];
    };
    return { status: response.status, error, rows };
  };

  it('answers nobody without a token, nor one that the API server does not know', async () => {
    const none = await ask();
    assert.equal(none.status, 401);
    assert.match(none.error, /send a Kubernetes token/);
    const wrong = await ask('abc.def.ghi');
    assert.equal(wrong.status, 401);
    assert.match(wrong.error, /does not accept this token/);
    assert.equal((await ask(undefined, '/api/events')).status, 401);
  });

  it('answers those who may list what it shows, and tells the others where they can look', async () => {
    const rules = [LOOK[0]!];
    const half = await newAccount(sandbox, {
      name: 'half',
      namespace: api.namespace,
      rules,
      everywhere: true,
    });
    const refused = await ask(half);
    assert.equal(refused.status, 403);
    assert.match(refused.error, /:half may not list pods in all namespaces.*kubectl pcf dashboard/);
    const { status, rows } = await ask(token);
    assert.equal(status, 200);
    assert.ok(rows.some(({ name }) => name === api.name));
  });

  it('changes nothing for anybody', async () => {
    const response = await fetch(`${origin}/api/actions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, origin, 'content-type': 'application/json' },
      body: JSON.stringify({ namespace: api.namespace, name: api.name, action: 'pause' }),
    });
    assert.equal(response.status, 405);
    assert.match(await response.text(), /read-only.*kubectl pcf dashboard/);
  });

  it('asks for the token in the page, and then shows what runs, without a button that acts', async function () {
    browser = await startBrowser();
    if (!browser) this.skip();
    const page = await browser.newPage();
    await page.goto(`${origin}/#/${api.namespace}/${api.name}`);
    await page.locator('#token').fill(token);
    await page.keyboard.press('Enter');
    await page.locator('.revision.stable .pod.ready').waitFor();
    assert.match(await page.locator('#phase').innerText(), /Ready/);
    assert.equal(await page.locator('button[data-act]').count(), 0);
  });
});
