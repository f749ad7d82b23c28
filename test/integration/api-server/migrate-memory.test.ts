import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { MemoryLimit, runMeasured } from '../../support/processes/memory-limit.js';
import { sharedPostgres } from '../../support/servers/postgres.js';
import { makeImage, migrationFile } from './api-process.js';

const LIMIT_MIB = 200;
const FILL = 'Fill1795380000001';
const BACKFILL = `export class ${FILL} {
  backfill = { table: 'services', key: 'id', set: "owner = 'platform'", where: 'owner IS NULL' };
  async up() {}
}
${FILL}.phase = 'backfill';\n`;

describe('api-server migrate: memory', () => {
  let url: string;
  let image: string;

  before(async () => {
    url = await (await sharedPostgres()).createDatabase();
    image = makeImage({
      '1795380000001-fill.js': BACKFILL,
      '1795380000002-shrink.js': migrationFile(
        'Shrink1795380000002',
        ['ALTER TABLE services DROP COLUMN description'],
        'contract',
      ),
    });
  });
  after(() => rmSync(image, { recursive: true, force: true }));

  // The order matters: each command depends on the database state that the previous command left.
  for (const [command, output] of [
    ['describe --json', /"migrations"/],
    ['migrate lint', /15 migrations, 0 findings/],
    ['migrate plan --json', /"outcome":"nothing".*"pending":\["CreateServices/],
    ['migrate up --json', /"outcome":"done".*Fill1795380000001/],
    ['migrate up --json --phase contract', /"outcome":"done".*Shrink1795380000002/],
    ['migrate status --json', /"pending":\[\]/],
    ['migrate verify --json', /"outcome":"drift"/],
  ] as const) {
    it(`${command} runs under a memory limit of ${LIMIT_MIB} MiB`, async () => {
      await using limit = MemoryLimit.create(LIMIT_MIB);
      const main = join(image, 'dist/api-server/main.js');
      const ended = await runMeasured([main, ...command.split(' ')], { PCF_API__DATABASE__URL: url }, limit);
      assert.equal(ended.signal, null, 'killed: out of memory');
      assert.match(ended.stdout, output, ended.stderr);
      assert.ok(ended.peakMib > 0 && ended.peakMib < LIMIT_MIB, `peak of ${Math.round(ended.peakMib)} MiB`);
    });
  }
});
