import assert from 'node:assert/strict';
import { migrationPlan } from '../../../api-server/migrations/engine/runner.js';
import { migrationFile } from './api-process.js';
import { ExpandedDatabase } from './expanded-database.js';
import { log, runUp, SPLIT, settingsOf, TABLE } from './restore-under-test.js';

describe('api-server migrate: changes that can not be restored', () => {
  let under: ExpandedDatabase;

  before(async () => {
    under = await ExpandedDatabase.create();
  });
  after(() => under?.removeImages());

  it('a contract that can not be reversed is reported by the plan with the reason, and drops as before', async () => {
    const url = await under.copy();
    const mixed = await under.imageOf({
      '1795380000005-a.js': migrationFile('A1795380000005', [
        'CREATE TABLE parents (id int PRIMARY KEY, code int NOT NULL)',
      ]),
      '1795380000006-b.js': migrationFile(
        'B1795380000006',
        ['ALTER TABLE parents DROP COLUMN code'],
        'contract',
      ),
      '1795380000007-c.js': migrationFile(
        'C1795380000007',
        ["DELETE FROM services WHERE name = 's1'"],
        'contract',
      ),
    });
    await under.up(url, ['expand', 'backfill'], mixed);
    const { report: plan } = await migrationPlan(await settingsOf(url), mixed, log, ['contract']);
    assert.deepEqual(
      plan.irreversible?.map(({ migration }) => migration),
      ['B1795380000006', 'C1795380000007'],
    );
    assert.match(
      plan.irreversible?.[0]?.reason ?? '',
      /code is NOT NULL without a default.*declare `restore`/,
    );
    assert.match(plan.irreversible?.[1]?.reason ?? '', /^DELETE FROM services WHERE name = 's1': only drops/);
    const contract = await under.up(url, ['contract'], mixed);
    assert.deepEqual(contract.irreversible, plan.irreversible);
    const refused = await under.restore(url, ['B1795380000006'], mixed);
    assert.match(
      refused.error ?? '',
      /B1795380000006 can't be restored: it ran without a window, or it is irreversible/,
    );
    const restored = await under.restore(url, [SPLIT, TABLE], mixed);
    assert.deepEqual(restored.restored, [TABLE, SPLIT], 'the others can be restored');
  });

  it('does not hide a published column, which subscribers would not find, unless the publication has a list of columns without it', async () => {
    const url = await under.copy();
    const planned = async () =>
      (await migrationPlan(await settingsOf(url), under.known, log, ['contract'])).report.irreversible;
    for (const published of ['ALL TABLES', 'TABLE services', 'TABLES IN SCHEMA public']) {
      await under.postgres.query(`CREATE PUBLICATION feed FOR ${published}`, url);
      const [{ migration, reason } = { migration: '', reason: '' }] = (await planned()) ?? [];
      assert.equal(migration, SPLIT, published);
      assert.match(reason, /column public\.services\.owner is published by feed: subscribers/);
      await under.postgres.query('DROP PUBLICATION feed', url);
    }
    await under.postgres.query('CREATE PUBLICATION feed FOR TABLE services (id, team, url, branch)', url);
    assert.equal(await planned(), undefined);
  });

  it('refuses a restore if a newer object has the name of a hidden one, and changes nothing', async () => {
    const url = await under.copy();
    await under.up(url, ['contract']);
    await under.postgres.query('ALTER TABLE services ADD COLUMN owner int', url);
    const refused = await under.restore(url);
    assert.equal(refused.outcome, 'refused');
    assert.match(
      refused.error ?? '',
      /a newer object has the name of a hidden one: column "owner" of relation "services" already exists/,
    );
    await under.postgres.query('ALTER TABLE services DROP COLUMN owner', url);
    assert.deepEqual(
      (await under.restore(url)).restored,
      [SPLIT],
      'the transaction of the newer migration was committed',
    );
  });

  it('refuses a later contract that drops a column which an open window reads, and runs it after the purge', async () => {
    const url = await under.copy();
    await under.up(url, ['contract']);
    const later = await under.imageOf({
      '1795380000005-a.js': migrationFile(
        'A1795380000005',
        ['ALTER TABLE services DROP COLUMN branch'],
        'contract',
      ),
    });
    const refused = await runUp(url, later, ['contract']);
    assert.equal(refused.outcome, 'refused');
    assert.match(
      refused.error ?? '',
      /A1795380000005 drops column services.branch, from which DropColumns1795380000003 can be restored until 2/,
    );
    await under.purge(url, true);
    assert.deepEqual((await under.up(url, ['contract'], later)).applied, ['A1795380000005']);
    assert.deepEqual((await under.purge(url, true)).purged, ['A1795380000005']);

    // Together in one image, the earlier one is irreversible, and both run.
    const both = await under.copy();
    const report = await under.up(both, ['contract'], later);
    assert.match(report.irreversible?.[0]?.reason ?? '', /A1795380000005 drops services.branch, from which/);
    assert.deepEqual(report.applied, [SPLIT, TABLE, 'A1795380000005']);
  });
});
