import assert from 'node:assert/strict';
import { evaluate } from '../../../operator/analysis/bounds.js';
import { WebhookProvider } from '../../../operator/analysis/providers/webhook.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { secretsFrom } from '../../support/fixtures/secrets.js';
import { HttpEndpoint } from '../../support/servers/http-endpoint.js';
import { analysisOf, iso, plannedMetric, START, subject } from './metrics-under-test.js';

describe('WebhookProvider', () => {
  let endpoint: HttpEndpoint;
  const never = new AbortController().signal;
  const secrets: Record<string, Record<string, string>> = {};

  before(async () => {
    endpoint = await HttpEndpoint.start(true);
    secrets.ca = { 'ca.crt': endpoint.ca };
    secrets.token = { token: 'hush-hush\n' };
    secrets.basic = { username: 'ann', password: 'pass:word' };
  });
  after(() => endpoint.stop());
  beforeEach(() => {
    endpoint.requests.length = 0;
    endpoint.answer = {};
  });

  const tls = { caSecretRef: { name: 'ca' } };

  async function evaluateWebhook(
    webhook: Record<string, unknown> = {},
    bounds: Record<string, unknown> = {},
    signal = never,
  ) {
    const given = {
      query: undefined,
      max: undefined,
      webhook: { url: `${endpoint.url}/judge?x=1`, tls, ...webhook },
    };
    const metric = plannedMetric({ ...given, ...bounds, name: 'orders' });
    const due = { name: 'orders', since: iso(START), number: 4 };
    const provider = new WebhookProvider(secretsFrom(secrets));
    const analysis = analysisOf({ metrics: [metric.spec] });
    const request = { api: pcfApi(), analysis, subject, metric, due, at: START };
    return evaluate(metric.spec, await provider.measure(request, signal));
  }

  it('posts the subject, the metric and the measurement number', async () => {
    await evaluateWebhook();
    const [{ method, path, headers }] = endpoint.requests as [(typeof endpoint.requests)[0]];
    assert.deepEqual([method, path, headers['content-type']], ['POST', '/judge?x=1', 'application/json']);
    assert.equal(headers['idempotency-key'], `uid-1/api-new/orders/${iso(START)}/4`);
    assert.deepEqual(endpoint.bodies[0], { ...subject, metric: 'orders', measurement: 4 });
  });

  it('returns Success for a 2xx response, or the verdict in its body', async () => {
    assert.deepEqual(await evaluateWebhook(), { outcome: 'Success' });
    endpoint.answer = { status: 204 };
    assert.equal((await evaluateWebhook()).outcome, 'Success');
    endpoint.answer = { body: 'fine' };
    assert.equal((await evaluateWebhook()).outcome, 'Success');
    endpoint.answer = {
      body: JSON.stringify({ verdict: 'Failure', message: 'two orders were lost', value: 2 }),
    };
    assert.deepEqual(await evaluateWebhook(), {
      outcome: 'Failure',
      value: '2',
      detail: 'two orders were lost',
    });
    endpoint.answer = { body: JSON.stringify({ verdict: 'Inconclusive' }) };
    assert.equal((await evaluateWebhook()).outcome, 'Inconclusive');
  });

  it('evaluates the value of the response, and returns Inconclusive without a value', async () => {
    endpoint.answer = { body: '{"value": 5}' };
    assert.equal((await evaluateWebhook({}, { max: 4 })).outcome, 'Failure');
    assert.equal((await evaluateWebhook({}, { max: 5 })).outcome, 'Success');
    endpoint.answer = {};
    assert.equal((await evaluateWebhook({}, { max: 5 })).outcome, 'Inconclusive');
  });

  it('throws for every other response', async () => {
    for (const status of [302, 404, 500]) {
      endpoint.answer = { status, headers: { location: '/elsewhere' } };
      await assert.rejects(
        evaluateWebhook(),
        new RegExp(`the webhook at ${endpoint.url} returned status ${status}; a failure must be`),
      );
    }
    assert.equal(endpoint.requests.length, 3, 'a redirect is not followed');
    endpoint.answer = { body: '{"verdict": "failure"}' };
    await assert.rejects(evaluateWebhook(), /returned an invalid response: verdict/);
    endpoint.answer = 'cut';
    await assert.rejects(evaluateWebhook(), /the connection was closed/);
    endpoint.answer = 'hang';
    await assert.rejects(evaluateWebhook({ timeout: '50ms' }), /no response within 0.05 s/);
    endpoint.answer = { body: 'x'.repeat(100_000) };
    await assert.rejects(evaluateWebhook(), /the response exceeds 65536 bytes/);
  });

  it('authenticates with a token or a password, and does not expose them in errors', async () => {
    await evaluateWebhook({ auth: { bearerSecretRef: { name: 'token' } } });
    await evaluateWebhook({ auth: { basicSecretRef: { name: 'basic' } } });
    assert.deepEqual(
      endpoint.requests.map(({ headers }) => headers.authorization),
      ['Bearer hush-hush', `Basic ${Buffer.from('ann:pass:word').toString('base64')}`],
    );
    endpoint.answer = { status: 401, body: 'hush-hush is wrong' };
    await assert.rejects(
      evaluateWebhook({ auth: { bearerSecretRef: { name: 'token' } } }),
      (error: Error) => {
        assert.doesNotMatch(`${error.stack}`, /hush/);
        return true;
      },
    );
    secrets.odd = { token: 'hush\nhush' };
    await assert.rejects(
      evaluateWebhook({ auth: { bearerSecretRef: { name: 'odd' } } }),
      /^Error: the token in Secret platform\/odd contains characters that are not allowed in a header$/,
    );
  });

  it('reports a missing Secret or key', async () => {
    const auth = (name: string, key: string) => ({ auth: { bearerSecretRef: { name, key } } });
    await assert.rejects(evaluateWebhook(auth('none', 'token')), /Secret platform\/none does not exist/);
    await assert.rejects(evaluateWebhook(auth('token', 'tokn')), /Secret platform\/token has no key "tokn"/);
  });

  it('trusts only the configured CA, unless insecureSkipVerify is set', async () => {
    await assert.rejects(
      evaluateWebhook({ tls: undefined }),
      /its certificate is not trusted: set tls.caSecretRef/,
    );
    assert.equal((await evaluateWebhook({ tls: { insecureSkipVerify: true } })).outcome, 'Success');
  });

  it('rejects link-local addresses, as cloud metadata services use them', async () => {
    for (const url of [
      'http://169.254.169.254/latest',
      'http://[fe80::1]/',
      'http://2852039166/',
      'http://[::ffff:a9fe:a9fe]/',
    ]) {
      await assert.rejects(evaluateWebhook({ url }), /link-local addresses are not allowed/, url);
    }
  });

  it('rejects immediately when the signal is aborted', async () => {
    endpoint.answer = 'hang';
    const given = new AbortController();
    const evaluation = evaluateWebhook({}, {}, given.signal);
    given.abort(new Error('stopped by the test'));
    await assert.rejects(evaluation, /stopped by the test/);
  });
});
