import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT, type MigrationReport } from '../../../contract/image.js';
import { buildImage } from '../../../sandbox/images.js';
import { READ, SPLIT_IMAGES, SPLIT_MIGRATIONS, WRITE } from '../../../sandbox/story/split/images.js';
import { seedServices } from '../../../sandbox/story/split/seed.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { ApiProcess, runRole } from '../api-server/api-process.js';

const BOTH = 'query One($name: String!) { service(name: $name) { repository repositoryBranch } }';
const ONE = 'query One($name: String!) { service(name: $name) { repository } }';

describe('images of the story "migrations"', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pcf-split-'));
  const image = (version: keyof typeof SPLIT_IMAGES) =>
    join(folder, SPLIT_IMAGES[version].name, SPLIT_IMAGES[version].tag);
  const running: ApiProcess[] = [];
  let postgres: TestPostgres;
  let url: string;
  const env = () => ({ PCF_API__DATABASE__URL: url, PCF_API__ENVIRONMENT: 'development' });
  const migrate = async (version: keyof typeof SPLIT_IMAGES, ...args: string[]) => {
    const ended = await runRole(['migrate', ...args, '--json'], env(), image(version));
    return { code: ended.code, report: JSON.parse(ended.stdout) as MigrationReport };
  };
  const serve = async (version: keyof typeof SPLIT_IMAGES) => {
    const api = await ApiProcess.start(env(), image(version));
    running.push(api);
    await api.waitForReady();
    return api;
  };

  before(async () => {
    for (const one of Object.values(SPLIT_IMAGES)) buildImage(folder, one);
    postgres = await sharedPostgres();
    url = await postgres.createDatabase();
  });
  after(async () => {
    await Promise.all(running.map((api) => api.kill()));
    rmSync(folder, { recursive: true, force: true });
  });

  it('both versions serve the expanded schema, and each reads the writes of the other', async () => {
    assert.equal((await migrate('v1', 'up')).code, EXIT.ok);
    await seedServices(url, 1_000);
    const v1 = await serve('v1');

    const up = await migrate('v2', 'up');
    assert.deepEqual(up.report.applied, [SPLIT_MIGRATIONS.expand, SPLIT_MIGRATIONS.backfill]);
    assert.deepEqual([up.code, up.report.pending], [EXIT.ok, [SPLIT_MIGRATIONS.contract]]);
    assert.equal(up.report.backfill?.rows, 1_000);
    const v2 = await serve('v2');

    await v1.graphql(WRITE, { name: 'old', repository: 'https://git.example.com/old#trunk' });
    await v2.graphql(WRITE, { name: 'new', repository: 'https://git.example.com/new' });
    assert.deepEqual((await v2.graphql(BOTH, { name: 'old' })).data.service, {
      repository: 'https://git.example.com/old',
      repositoryBranch: 'trunk',
    });
    assert.equal(
      (await v1.graphql(ONE, { name: 'new' })).data.service.repository,
      'https://git.example.com/new',
    );
    assert.deepEqual((await v2.graphql(BOTH, { name: 'service-7' })).data.service, {
      repository: 'https://git.example.com/acme/service-7',
      repositoryBranch: 'main',
    });
    for (const api of [v1, v2]) {
      const { data, errors } = await api.graphql(READ);
      assert.deepEqual([errors, data.services.edges.length], [[], 5]);
    }
  });

  it('after the contract phase, version 2 continues to serve, and version 1 is rejected', async () => {
    const contract = await migrate('v2', 'up', '--phase', 'contract');
    assert.deepEqual([contract.code, contract.report.applied], [EXIT.ok, [SPLIT_MIGRATIONS.contract]]);
    const [, v2] = running;
    await v2!.graphql(WRITE, { name: 'newest', repository: 'https://git.example.com/newest' });
    assert.equal(
      (await v2!.graphql(ONE, { name: 'newest' })).data.service.repository,
      'https://git.example.com/newest',
    );
    const { code, report } = await migrate('v1', 'plan');
    assert.equal(code, EXIT.config);
    assert.match(report.error ?? '', /DropRepository1795370000203 was applied, which needs version 2\.0\.0/);
  });
});
