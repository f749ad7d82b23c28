/** Tests the sample data of the playground and the example client that reads them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type Asks, seed } from '../../../sandbox/seed.js';
import { bearer, JWT_SECRET } from '../../support/fixtures/tokens.js';
import { ApiProcess } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

/** Runs the example client in a separate process and returns its output and exit code. */
function runClient(env: Record<string, string>) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/docs/examples/client/main.js'], {
    env,
    encoding: 'utf8',
  });
  return { code: status, output: stdout + stderr };
}

describe('example client', () => {
  let api: ApiProcess;

  before(async () => {
    const url = await migratedDatabase();
    api = await ApiProcess.start({
      PCF_API__DATABASE__URL: url,
      PCF_API__AUTH__OPEN: 'false',
      PCF_API__AUTH__JWT_SECRET: JWT_SECRET,
    });
    await api.waitForReady();
  });
  after(() => api?.kill());

  const administrator: Asks = {
    async ask<T>(query: string, variables: object = {}): Promise<T> {
      const { data, errors } = await api.graphql(query, variables, await bearer({ role: 'ADMIN' }));
      assert.deepEqual(errors, []);
      return data;
    },
  };

  it('reads several months of sample deployments, which repeated seeding records only once', async () => {
    const count = '{ deployments(first: 1) { totalCount } incidents(first: 1) { totalCount } }';
    const first = await seed(administrator);
    assert.ok(first.deployments > 200 && first.incidents > 10, JSON.stringify(first));
    assert.deepEqual(await seed(administrator), first);
    const { deployments, incidents } = await administrator.ask<Record<string, { totalCount: number }>>(count);
    assert.deepEqual([deployments?.totalCount, incidents?.totalCount], [first.deployments, first.incidents]);
  });

  it('prints the metrics and the failed deployments of several pages', async () => {
    const { authorization } = await bearer({ role: 'VIEWER' });
    const { code, output } = runClient({
      PCF_URL: `http://127.0.0.1:${api.port}/graphql`,
      PCF_TOKEN: authorization!.slice(7),
    });
    assert.equal(code, 0, output);
    assert.match(
      output,
      /^\d{3} deployments since \d{4}-\d\d-\d\d\nchange failure rate \d\.\d %, lead time \d\.\d h\n/,
    );
    assert.ok((output.match(/ in production: ROLLED_BACK$/gm)?.length ?? 0) > 10, output);
  });

  it('prints the error message of the API', () => {
    assert.deepEqual(runClient({}).code, 64);
    const { code, output } = runClient({
      PCF_URL: `http://127.0.0.1:${api.port}/graphql`,
      PCF_TOKEN: 'wrong',
    });
    assert.equal(code, 1);
    assert.match(output, /^UNAUTHENTICATED: /);
    assert.match(
      runClient({ PCF_URL: `http://127.0.0.1:${api.port}/health/live` }).output,
      /the GraphQL endpoint is \/graphql/,
    );
  });
});
