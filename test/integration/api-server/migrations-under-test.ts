/** Runs of `migrate` with images that contain additional migrations, each test with its own database. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { type MigrationReport, migrationReportSchema } from '../../../contract/image.js';
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { type Ended, type Env, makeImage } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

export const UP = ['migrate', 'up', '--json'];
export const FILL = '1795380000001-fill.js';
export const OWNER = 'FillOwner1795380000001';
export const BACKFILL = `export class ${OWNER} {
  backfill = { table: 'services', key: 'id', set: "owner = 'platform'", where: 'owner IS NULL' };
  async up() {}
}
${OWNER}.phase = 'backfill';\n`;

export class MigrationsUnderTest {
  postgres!: TestPostgres;
  /** Database of the current test. */
  url = '';
  private readonly images: string[] = [];

  async start(): Promise<void> {
    this.postgres = await sharedPostgres();
  }

  async createDatabase(): Promise<void> {
    this.url = await migratedDatabase();
  }

  removeImages(): void {
    for (const folder of this.images) rmSync(folder, { recursive: true, force: true });
  }

  env(more: Env = {}): Env {
    return { PCF_API__DATABASE__URL: this.url, ...more };
  }

  /** Makes an image with these migrations, by file name. */
  image(migrations: Record<string, string>): string {
    const folder = makeImage(migrations);
    this.images.push(folder);
    return folder;
  }

  /** The column `v` of the first row. */
  async one(sql: string): Promise<unknown> {
    return (await this.postgres.query<{ v: unknown }>(sql, this.url))[0]?.v;
  }

  async addServices(count: number): Promise<void> {
    await this.postgres.query(
      `INSERT INTO services (id, name) SELECT gen_random_uuid(), 's' || n FROM generate_series(1, ${count}) n`,
      this.url,
    );
  }
}

/** Registers the hooks of a suite. */
export function useMigrations(): MigrationsUnderTest {
  const under = new MigrationsUnderTest();
  before(() => under.start());
  beforeEach(() => under.createDatabase());
  after(() => under.removeImages());
  return under;
}

export function reportOf({ stdout, stderr }: Ended): MigrationReport {
  assert.equal(stdout.trim().split('\n').length, 1, `one line of JSON expected: ${stdout} ${stderr}`);
  return migrationReportSchema.parse(JSON.parse(stdout));
}
