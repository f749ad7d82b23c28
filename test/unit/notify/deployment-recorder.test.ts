import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { reporting } from '../../../operator/api/v1alpha1/spec/reporting.js';
import { DeploymentRecorder } from '../../../operator/notify/deployment-recorder.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import { secretsFrom } from '../../support/fixtures/secrets.js';

const END = { outcome: 'FAILED', finishedAt: '2026-11-23T12:30:00.000Z', reason: 'AnalysisFailed' } as const;
const FAILURE = { failedSince: '2026-11-23T12:10:00.000Z' };
const REPORT = {
  ...{ key: 'k', revision: 'api-new', version: '2.0.0', environment: 'production', strategy: 'CANARY' },
  ...{ startedAt: '2026-11-23T12:00:00.000Z', end: { ...END, failure: FAILURE } },
};

/** Answers the operations of the recorder. `rejects`: the code of the answer to this finishDeployment, if any. */
class FakeApi {
  readonly finished: Record<string, unknown>[] = [];

  private constructor(private readonly server: Server) {}

  static async start(rejects: (input: Record<string, unknown>) => string | undefined): Promise<FakeApi> {
    const server = createServer(async (request, response) => {
      const { query, variables } = (await json(request)) as { query: string; variables: { input: never } };
      response.setHeader('content-type', 'application/json');
      if (query.startsWith('query')) return response.end('{"data":{"service":{"id":"s"}}}');
      if (query.includes('recordDeployment')) return response.end('{"data":{"recordDeployment":{"id":"d"}}}');
      api.finished.push(variables.input);
      const code = rejects(variables.input);
      const answer = code
        ? { errors: [{ extensions: { code } }] }
        : { data: { finishDeployment: { id: 'd' } } };
      return response.end(JSON.stringify(answer));
    });
    const api = new FakeApi(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return api;
  }

  async record(): Promise<void> {
    const { port } = this.server.address() as AddressInfo;
    const spec = reporting.parse({ url: `http://127.0.0.1:${port}/graphql` });
    const recorder = new DeploymentRecorder(pcfApi(), spec, secretsFrom({}));
    await recorder.record(REPORT, AbortSignal.timeout(10_000));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describe('DeploymentRecorder', () => {
  let api: FakeApi | undefined;
  afterEach(() => api?.stop());

  const input = { id: 'd', idempotencyKey: 'k', ...END };

  it('records the outcome with the start of the failure', async () => {
    api = await FakeApi.start(() => undefined);
    await api.record();
    assert.deepEqual(api.finished, [{ ...input, ...FAILURE }]);
  });

  it('records the outcome without the failure if an API of an earlier version rejects its fields', async () => {
    api = await FakeApi.start(({ failedSince }) => (failedSince ? 'BAD_USER_INPUT' : undefined));
    await api.record();
    assert.deepEqual(api.finished, [{ ...input, ...FAILURE }, input]);
  });

  it('does not repeat the outcome without the failure after another error', async () => {
    api = await FakeApi.start(() => 'CONFLICT');
    await assert.rejects(api.record(), /CONFLICT/);
    assert.equal(api.finished.length, 1);
  });
});
