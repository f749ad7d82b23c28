import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ENV, EXIT } from '../../../contract/image.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { runRole } from './api-process.js';
import { GraphqlUnderTest } from './graphql-under-test.js';

describe('api-server schema usage', () => {
  let under: GraphqlUnderTest;

  before(async () => {
    under = await GraphqlUnderTest.start({ PCF_API__SCHEMA_USAGE__FLUSH: '1s' });
  });
  beforeEach(() => under.clear());
  after(() => under?.api.kill());

  it('records which client uses which coordinates, and checks another schema against it', async () => {
    await under.create('web');
    const headers = {
      'apollographql-client-name': 'dashboard',
      'apollographql-client-version': '2.1.0',
    };
    await under.api.graphql(
      'query Used($filter: DeploymentFilter) { deployments(filter: $filter) { totalCount } service(name: "web") { owner } }',
      { filter: { version: ['1.0.0'], status: ['FAILED'] } },
      headers,
    );
    const USED = `query ($filter: SchemaUsageFilter) {
      schemaUsage(first: 100, filter: $filter) { edges { node { coordinate client version count day } } }
    }`;
    const filter = { application: ['dashboard'], since: new Date(Date.now() - 60_000).toISOString() };
    const used = async () => (await under.api.graphql(USED, { filter })).data.schemaUsage.edges;
    await eventually('the use is recorded', async () => (await used()).length > 0);
    const rows: { coordinate: string }[] = (await used()).map(({ node }: { node: object }) => node);
    const day = `${new Date().toISOString().slice(0, 10)}T00:00:00.000Z`;
    for (const coordinate of ['Service.owner', 'DeploymentStatus.FAILED', 'DeploymentFilter.version']) {
      assert.deepEqual(
        rows.find((row) => row.coordinate === coordinate),
        { coordinate, client: 'open', version: '2.1.0', count: 1, day },
      );
    }

    const env = { PCF_API__DATABASE__URL: under.url };
    const folder = mkdtempSync(join(tmpdir(), 'pcf-test-schema-'));
    const check = async (change: (sdl: string) => string, ...flags: string[]) => {
      const file = join(folder, 'changed.graphql');
      writeFileSync(file, change(readFileSync('api-server/schema.graphql', 'utf8')));
      return runRole(['schema', 'check', '--schema', file, ...flags], env);
    };
    const withoutOwner = (sdl: string) =>
      sdl.replace(/(type Service [^}]*?)\n {2}owner: String\n/, '$1\n  other: Int\n');
    const removed = await check(withoutOwner, '--json');
    assert.deepEqual([removed.code, removed.stderr], [1, '']);
    const { inUse } = JSON.parse(removed.stdout);
    assert.deepEqual([inUse.length, inUse[0].change], [1, 'Service.owner was removed']);
    const applications = inUse[0].clients.map(({ application }: { application?: string }) => application);
    assert.ok(applications.includes('dashboard'), removed.stdout);
    assert.equal((await check(withoutOwner, '--ignore-client', 'open')).code, 0);
    assert.equal(
      (await check((sdl) => sdl.replace(/^ {2}RUNNING$/m, '  ADDED'))).code,
      0,
      'no client uses it',
    );
    const invalid = await check(() => 'type Query {');
    assert.equal(invalid.code, EXIT.usage);
    assert.match(invalid.stderr, /changed\.graphql is not a GraphQL schema in SDL: Syntax Error/);
    const directory = await runRole(['schema', 'check', '--schema', folder], env);
    assert.equal(directory.code, EXIT.usage, directory.stderr);
    rmSync(folder, { recursive: true });

    const { stdout } = await runRole(['migrate', 'up', '--phase', 'expand', '--json'], {
      ...env,
      [ENV.schemaCheckWindow]: '60000',
    });
    assert.deepEqual(JSON.parse(stdout).schemaCheck, { inUse: [] }, 'the schema of this image is served');
  });
});
