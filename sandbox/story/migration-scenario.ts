/** Helpers of the scenario "migrations": the migration status, writes, and the database. */
import { Client } from 'pg';
import type { Sandbox } from '../sandbox.js';
import type { PcfApiView } from './pcfapi-watch.js';
import { imageOf, NAMESPACE, Scenario } from './scenario.js';
import { READ, WRITE } from './split/images.js';

export const LONG_MS = 300_000;

type Migration = NonNullable<NonNullable<PcfApiView['status']>['migration']>;

export abstract class MigrationScenario extends Scenario {
  protected readonly databaseUrl: string;

  constructor(sandbox: Sandbox, print: (line: string) => void) {
    super(sandbox, print, { query: READ });
    this.databaseUrl = sandbox.postgres.url(NAMESPACE);
  }

  protected printSoak(): void {
    this.line(`contract waits for ${this.watch.now()?.status?.migration?.waitingFor}`);
  }

  protected migration(what: string, check: (migration: Migration) => boolean, timeoutMs = LONG_MS) {
    return this.watch.until(what, (api) => check(api?.status?.migration ?? { state: 'none' }), timeoutMs);
  }

  protected promoted(version: string): Promise<void> {
    return this.watch.until(
      `${version} promoted`,
      (api) => api?.status?.phase === 'Ready' && api.status.stableImage === imageOf(version),
    );
  }

  /** A write, which both versions must support. */
  protected async write(name: string): Promise<void> {
    const repository = `https://git.example.com/acme/${name}#main`;
    const { version } = await this.load.graphql(WRITE, { name, repository });
    this.line(`a mutation, served by ${version}`);
  }

  /** Prints the output of a `kubectl pcf` command. */
  protected async printPcf(...args: string[]): Promise<void> {
    this.line((await this.pcf(...args)).trim().replaceAll('\n', '\n    '));
  }

  protected async hasColumn(column: string): Promise<boolean> {
    const found = await this.sql(
      "SELECT 1 FROM information_schema.columns WHERE table_name = 'services' AND column_name = $1",
      [column],
    );
    return found.length === 1;
  }

  protected async sql<T extends object>(text: string, values: unknown[]): Promise<T[]> {
    const client = new Client({ connectionString: this.databaseUrl });
    await client.connect();
    return client
      .query<T>(text, values)
      .then(({ rows }) => rows)
      .finally(() => client.end());
  }
}
