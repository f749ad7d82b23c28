/** The playground's data, and the example of a client that reads them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type Asks, seed } from '../../../sandbox/seed.js';
import { bearer, JWT_SECRET } from '../../support/tokens.js';
import { ApiProcess } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

/** What it prints, and its exit code. Its own process, as whoever copies it would start it. */
function client(env: Record<string, string>) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/docs/examples/client/main.js'], {
    env,
    encoding: 'utf8',
  });
  return { code: status, output: stdout + stderr };
}

describe('the example of a client', () => {
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

  it('has some months of deployments to read, which are told once however often', async () => {
    const count = '{ deployments(first: 1) { totalCount } incidents(first: 1) { totalCount } }';
    const first = await seed(administrator);
    assert.ok(first.deployments > 200 && first.incidents > 10, JSON.stringify(first));
    assert.deepEqual(await seed(administrator), first);
    const { deployments, incidents } = await administrator.ask<Record<string, { totalCount: number }>>(count);
    assert.deepEqual([deployments?.totalCount, incidents?.totalCount], [first.deployments, first.incidents]);
  });

  it('prints the figures, and what failed, over more than one page', async () => {
    const { authorization } = await bearer({ role: 'VIEWER' });
    const { code, output } = client({
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

  it('says what is wrong in the words of the API', () => {
    assert.deepEqual(client({}).code, 64);
    const { code, output } = client({ PCF_URL: `http://127.0.0.1:${api.port}/graphql`, PCF_TOKEN: 'wrong' });
    assert.equal(code, 1);
    assert.match(output, /^UNAUTHENTICATED: /);
    assert.match(
      client({ PCF_URL: `http://127.0.0.1:${api.port}/health/live` }).output,
      /the GraphQL endpoint is \/graphql/,
    );
  });
});
