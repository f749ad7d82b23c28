/** Approval links: a real webhook receives them, and the operator's page follows them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { keyIdOf } from '../../../contract/signing-keys.js';
import type { PcfApiStatus } from '../../../operator/api/v1alpha1/status.js';
import { signLink } from '../../../operator/approvals/token.js';
import { PcfApiKind, SecretKind } from '../../../operator/resources/kinds.js';
import type { OperatorProcess } from '../../../sandbox/operator-process.js';
import { freePorts } from '../../../sandbox/process/ports.js';
import type { PcfApiWatch } from '../../../sandbox/story/pcfapi-watch.js';
import {
  type AuditedCluster,
  metricsText,
  sharedAuditedCluster,
} from '../../support/cluster/audited-cluster.js';
import { eventually, image } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS } from '../../support/cluster/sandbox.js';
import { accessibilityProblems, startBrowser } from '../../support/servers/browser.js';
import { HttpEndpoint } from '../../support/servers/http-endpoint.js';

const NAMESPACE = 'approvals';
const KEYS = 'test-link-keys';
const RBAC = 'rbac.authorization.k8s.io';

interface Links {
  approve: string;
  abort: string;
}

describe('approval links', () => {
  let cluster: AuditedCluster;
  let operator: OperatorProcess;
  let slack: HttpEndpoint;
  let watch: PcfApiWatch;
  let url: string;
  /** Every token that was received. */
  const tokens: string[] = [];

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    cluster = await sharedAuditedCluster();
    slack = await HttpEndpoint.start(true);
    const [port] = await freePorts(1);
    url = `http://127.0.0.1:${port}`;
    await cluster.namespace(NAMESPACE);
    await cluster.sandbox.parts.kubectl.apply([
      ...keyRole(),
      {
        ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'slack', namespace: NAMESPACE } },
        stringData: { url: `${slack.url}/services/hush` },
      },
    ]);
    operator = await cluster.operator('approvals', {
      args: [
        '--approval-url',
        url,
        '--approval-port',
        String(port),
        '--approval-key-secret',
        KEYS,
        '--log-level',
        'trace',
      ],
    });
    watch = await cluster.create(NAMESPACE, {
      strategy: { canary: { steps: [25, 50].map((weight) => ({ weight, pause: true })) } },
      notifications: {
        webhooks: [
          {
            ...{ name: 'team', urlSecretRef: { name: 'slack' }, tls: { insecureSkipVerify: true } },
            events: ['ApprovalRequested'],
          },
        ],
        approvalLinks: { expiresAfter: '4h' },
      },
    });
    await cluster.ready(watch);
  });
  after(async () => {
    const { stateDir } = cluster.sandbox;
    const log = readFileSync(join(stateDir, 'logs', 'approvals.log'), 'utf8');
    const metrics = await metricsText(operator);
    await cluster.clear();
    await slack.stop();
    assert.ok(tokens.length > 0);
    for (const token of tokens) {
      const signature = token.split('.')[2]!;
      assert.ok(!log.includes(signature) && !metrics.includes(signature), 'no token is logged or measured');
    }
  });

  const status = () => (watch.now()?.status ?? {}) as PcfApiStatus;
  const awaitStep = (index: number) =>
    watch.until(
      `step ${index}`,
      () => status().step?.index === index && status().delivery?.approval !== undefined,
    );

  /** The links of the next notification. */
  async function receiveLinks(): Promise<Links> {
    const known = tokens.length / 2;
    await eventually('the webhook receives the links', () => slack.requests.length > known);
    const [{ text }] = slack.bodies[known]!.attachments as [{ text: string }];
    const [approve, abort] = [...text.matchAll(/<([^|>]+)\|/g)].map(([, link]) => link!.split('#')[1]!);
    tokens.push(approve!, abort!);
    return { approve: approve!, abort: abort! };
  }

  async function post(path: 'look' | 'use', token: string) {
    const { statusCode, body } = await request(`${url}/${path}`, {
      method: 'POST',
      headers: { origin: url, 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    });
    return { status: statusCode, ...((await body.json()) as { state: string; message?: string }) };
  }

  let first: Links;

  it('are sent while a step waits, and the status reports how long they are valid', async () => {
    await cluster.patch(NAMESPACE, { image: image('1.1.0') });
    await awaitStep(0);
    first = await receiveLinks();
    assert.match(
      status().step?.waitingFor ?? '',
      /^manual promotion: kubectl pcf promote, or an approval link until \S+Z$/,
    );
    const secret = (await cluster.client.get(SecretKind, 'pcf-system', KEYS)) as { data?: { keys: string } };
    assert.ok(secret.data?.keys);
  });

  it('change nothing when they are opened, and are rejected when they were changed', async () => {
    for (let visit = 0; visit < 3; visit++) {
      const { statusCode, body } = await request(`${url}/`);
      assert.equal(statusCode, 200);
      assert.match(await body.text(), /Approval of a delivery/);
      assert.equal((await post('look', first.approve)).state, 'Open');
    }
    const [header, claims, signature] = first.approve.split('.');
    const [, otherClaims] = first.abort.split('.');
    const wrongAction = await post('use', [header, otherClaims, signature].join('.'));
    assert.deepEqual([wrongAction.status, wrongAction.state], [403, 'Wrong']);
    const later = Buffer.from(
      JSON.stringify({ ...JSON.parse(Buffer.from(claims!, 'base64url').toString()), exp: 4_000_000_000 }),
    ).toString('base64url');
    assert.equal((await post('use', [header, later, signature].join('.'))).status, 403);
    assert.equal(status().step?.index, 0);
  });

  it('approve a step once: one of two concurrent uses is accepted, and a replay at the next step is not', async () => {
    const uses = await Promise.all([post('use', first.approve), post('use', first.approve)]);
    assert.deepEqual(uses.map(({ state }) => state).sort(), ['Accepted', 'Used']);
    await awaitStep(1);
    const replay = await post('use', first.approve);
    assert.deepEqual([replay.status, replay.state], [410, 'Used']);
    assert.match(replay.message!, /approved already, by the holder of the link to team/);
    assert.equal((await post('use', first.abort)).state, 'Used');
    assert.equal(status().step?.index, 1);
  });

  it('are void after their expiry, and after approvalLinks was removed from the spec', async () => {
    const links = await receiveLinks();
    const secret = (await cluster.client.get(SecretKind, 'pcf-system', KEYS)) as { data?: { keys: string } };
    const value = Buffer.from(secret.data!.keys, 'base64').toString().trim();
    const { sub: uid, approval } = claimsOf(links.approve);
    const expired = await signLink(
      { uid, approval, action: 'approve', webhook: 'team', expiresAt: Math.floor(Date.now() / 1_000) - 1 },
      { id: keyIdOf(value), value },
      url,
    );
    const late = await post('use', expired);
    assert.deepEqual([late.status, late.state], [410, 'Expired']);
    assert.equal((await post('look', links.approve)).state, 'Open');
    await cluster.patch(NAMESPACE, { notifications: { approvalLinks: null } });
    await watch.until('the links are void', () => status().delivery?.approval?.linksExpireAt === undefined);
    const used = await post('use', links.approve);
    assert.deepEqual([used.status, used.message], [410, 'Approval links were disabled after it was sent.']);
    await cluster.patch(NAMESPACE, { notifications: { approvalLinks: { expiresAfter: '4h' } } });
  });

  it('abort a delivery with the name of the link in the history, and are void in the next delivery of the revision', async () => {
    const links = await receiveLinks();
    assert.equal((await post('use', links.abort)).state, 'Accepted');
    await watch.until('aborted', () => status().failed?.reason === 'AbortRequested');
    const [delivery] = status().history!;
    assert.deepEqual(
      [delivery!.outcome, delivery!.by, delivery!.approvals?.map(({ step, by }) => [step, by])],
      ['Aborted', 'the holder of the link to team', [[0, 'the holder of the link to team']]],
    );
    const { revision, at } = status().failed!;
    const annotations = { 'pcf.dev/retry': `${revision}@${at}` };
    await cluster.client.patch(PcfApiKind, NAMESPACE, 'api', { metadata: { annotations } });
    await awaitStep(0);
    for (const token of [first.approve, links.approve, links.abort])
      assert.equal((await post('use', token)).state, 'Used');
    assert.equal(status().step?.index, 0);
  });

  it('act in a browser only when the button is pressed, and the token is in no URL that it requests', async function () {
    const { approve } = await receiveLinks();
    const browser = await startBrowser();
    if (!browser) return this.skip();
    try {
      const page = await browser.newPage({ colorScheme: 'dark' });
      const requested: string[] = [];
      page.on('request', (sent) => requested.push(`${sent.url()} ${sent.headers().referer ?? ''}`));
      await page.goto(`${url}/#${approve}`);
      const button = page.getByRole('button', { name: 'Approve' });
      await button.waitFor();
      assert.match(await page.locator('main').innerText(), /Approve this step\?.*approvals\/api.*1 of 2/s);
      assert.equal(page.url(), `${url}/`);
      assert.deepEqual(await accessibilityProblems(page), []);
      assert.equal(status().step?.index, 0);
      await button.click();
      await page.getByText('was approved').waitFor();
      await awaitStep(1);
      assert.ok(requested.length >= 4);
      assert.ok(requested.every((sent) => !sent.includes(approve.split('.')[2]!)));
    } finally {
      await browser.close();
    }
  });
});

function claimsOf(token: string): { sub: string; approval: string } {
  return JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());
}

/** As the chart grants it. */
function keyRole(): object[] {
  const metadata = { name: 'test-approvals', namespace: 'pcf-system' };
  const secrets = { apiGroups: [''], resources: ['secrets'] };
  const rules = [
    { ...secrets, resourceNames: [KEYS], verbs: ['list', 'patch'] },
    { ...secrets, verbs: ['create'] },
  ];
  return [
    { apiVersion: `${RBAC}/v1`, kind: 'Role', metadata, rules },
    {
      ...{ apiVersion: `${RBAC}/v1`, kind: 'RoleBinding', metadata },
      roleRef: { apiGroup: RBAC, kind: 'Role', name: metadata.name },
      subjects: [{ kind: 'ServiceAccount', name: 'pcf-operator', namespace: 'pcf-system' }],
    },
  ];
}
