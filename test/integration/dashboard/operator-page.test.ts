import assert from 'node:assert/strict';
import type { Browser } from 'playwright-core';
import { OperatorProcess } from '../../../sandbox/operator-process.js';
import { freePorts } from '../../../sandbox/process/ports.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { newAccount } from '../../support/cluster/accounts.js';
import { TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';
import { startBrowser } from '../../support/servers/browser.js';

/** Rules that the chart adds to the operator's role with dashboardPort. */
const REVIEWS = [
  { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
];
const LOOK = [
  { apiGroups: ['pcf.dev'], resources: ['pcfapis'], verbs: ['list'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
];

describe('dashboard of the operator', () => {
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

  const list = async (bearer?: string, path = '/api/pcfapis') => {
    const response = await fetch(origin + path, {
      headers: bearer ? { authorization: `Bearer ${bearer}` } : {},
    });
    const { error = '', rows = [] } = (await response.json()) as {
      error?: string;
      rows?: { name: string }[];
    };
    return { status: response.status, error, rows };
  };

  it('rejects requests without a token, and tokens that the API server does not accept', async () => {
    const none = await list();
    assert.equal(none.status, 401);
    assert.match(none.error, /send a Kubernetes token/);
    const wrong = await list('abc.def.ghi');
    assert.equal(wrong.status, 401);
    assert.match(wrong.error, /does not accept this token/);
    assert.equal((await list(undefined, '/api/events')).status, 401);
  });

  it('requires permission to list its objects, and otherwise names kubectl pcf dashboard', async () => {
    const rules = [LOOK[0]!];
    const half = await newAccount(sandbox, {
      name: 'half',
      namespace: api.namespace,
      rules,
      everywhere: true,
    });
    const refused = await list(half);
    assert.equal(refused.status, 403);
    assert.match(refused.error, /:half may not list pods in all namespaces.*kubectl pcf dashboard/);
    const { status, rows } = await list(token);
    assert.equal(status, 200);
    assert.ok(rows.some(({ name }) => name === api.name));
  });

  it('rejects actions because it is read-only', async () => {
    const response = await fetch(`${origin}/api/actions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, origin, 'content-type': 'application/json' },
      body: JSON.stringify({ namespace: api.namespace, name: api.name, action: 'pause' }),
    });
    assert.equal(response.status, 405);
    assert.match(await response.text(), /read-only.*kubectl pcf dashboard/);
  });

  it('requests the token in the page, and then shows the PcfApi without action buttons', async function () {
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
