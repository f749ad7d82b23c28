/**
 * Scenario "migrations": schema migrations under load: expand, backfill, canary, promotion, an undo during
 * the soak, contract, an undo within the window after it, purge, and an undo that is rejected after that.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Sandbox } from '../sandbox.js';
import { count, p99 } from './load.js';
import { LockWaits } from './lock-waits.js';
import type { PcfApiView } from './pcfapi-watch.js';
import { RowWriters } from './row-writers.js';
import { imageOf, NAMESPACE, Scenario } from './scenario.js';
import { READ, SPLIT_MIGRATIONS, WRITE } from './split/images.js';
import { seedServices } from './split/seed.js';

const OLD = '1.0.0';
const NEW = '2.0.0';
const SOAK = '20s';
const WINDOW = '1h';
/** Of the last contract, whose end the scenario waits for. */
const SHORT_WINDOW = '10s';
const WRITES_MS = 8_000;
const LONG_MS = 300_000;

type Migration = NonNullable<NonNullable<PcfApiView['status']>['migration']>;

export class MigrationsStory extends Scenario {
  private readonly databaseUrl: string;
  private readonly locks: LockWaits;

  /** `rows`: number of rows in the migrated table. */
  constructor(
    sandbox: Sandbox,
    print: (line: string) => void,
    private readonly rows = 1_000_000,
  ) {
    super(sandbox, print, { query: READ });
    this.databaseUrl = sandbox.postgres.url(NAMESPACE);
    this.locks = new LockWaits(this.databaseUrl);
  }

  protected override async chapters(): Promise<void> {
    await this.seed();
    this.load.start();
    this.locks.start();
    try {
      await this.expandAndBackfill();
      await this.canary();
      await this.undoInTheSoak();
      await this.promoteAgain();
      await this.contract();
      await this.undoInTheWindow();
      await this.purge();
      await this.rejectUndo();
    } finally {
      await this.locks.stop();
    }
    this.line(`longest lock wait of a request: ${this.locks.longestMs.toFixed(0)} ms (sampled every 10 ms)`);
  }

  private async seed(): Promise<void> {
    this.chapter(`${this.rows.toLocaleString('en')} rows in the format of ${OLD}`);
    const tookMs = await seedServices(this.databaseUrl, this.rows);
    this.printDuration('written', tookMs);
    await this.patch({
      migrations: { contractDelay: SOAK, contractWindow: WINDOW },
      strategy: { type: 'Canary', canary: { scaleDownDelay: '10s' } },
    });
    await this.watch.until('Ready', (api) => api?.status?.phase === 'Ready');
  }

  private async expandAndBackfill(): Promise<void> {
    const before = await this.load.sample(8_000);
    this.chapter(`${NEW} splits a column: expand, then a backfill of every row, while ${OLD} serves`);
    const startedAt = performance.now();
    await this.patch({ image: imageOf(NEW), canaryWeight: 10 });
    await this.migration(
      'the backfill runs',
      ({ phase, state }) => phase === 'backfill' && state === 'Running',
    );
    this.printDuration('expanded', performance.now() - startedAt);
    this.expect(this.watch.now()?.status?.traffic?.effectiveWeight === 0, 'traffic before the backfill');
    const writers = new RowWriters(this.load, this.databaseUrl, SPLIT_MIGRATIONS.backfill);
    writers.start();
    const during = await this.load
      .sampleUntil(
        this.migration(
          'the backfill is done',
          ({ progress, state }) => state === 'Succeeded' && progress !== undefined,
        ),
      )
      .finally(() => writers.stop());
    const { rows = 0, rowsPerSecond = 0 } = this.watch.now()?.status?.migration?.progress ?? {};
    this.line(`backfilled ${rows.toLocaleString('en')} rows, ${rowsPerSecond.toLocaleString('en')} rows/s`);
    this.line(`p99 of the API ${p99(before).toFixed(1)} ms before, ${p99(during).toFixed(1)} ms during it`);
    this.expect(Object.keys(during.served).join() === OLD, `${Object.keys(during.served)} served during it`);
    const least = this.rows - writers.written.size; // the trigger fills rows that are written during the backfill
    this.expect(rows >= least && rows <= this.rows, `the backfill did ${rows} rows`);
    await this.checkWrites(writers);
  }

  /** Rows that were written during their backfill must be consistent for both versions. */
  private async checkWrites({ sample, written }: RowWriters): Promise<void> {
    this.line(
      `${count(sample)} mutations of rows during their backfill: p99 ${p99(sample).toFixed(1)} ms, ${sample.failures.length} failed`,
    );
    const [failure] = sample.failures;
    if (failure) this.problems.push(`${sample.failures.length} mutations failed, the first: ${failure}`);
    this.expect(count(sample) > 0, 'no row was written during the backfill');
    const values = [[...written.keys()], [...written.values()]];
    const [wrong] = await this.sql<{ lost: number; unfilled: number }>(
      `SELECT (SELECT count(*)::int FROM services JOIN unnest($1::uuid[], $2::text[]) AS w (id, text) USING (id)
               WHERE repository <> text) AS lost,
              (SELECT count(*)::int FROM services
               WHERE repository IS DISTINCT FROM repository_url || '#' || repository_branch) AS unfilled`,
      values,
    );
    this.expect(wrong?.lost === 0, `${wrong?.lost} writes were lost to the backfill`);
    this.expect(wrong?.unfilled === 0, `${wrong?.unfilled} rows differ in the old column and the new ones`);
  }

  private async canary(): Promise<void> {
    this.chapter('canary at 10 %, 50 %, promotion');
    await this.watch.until('10 %', (api) => api?.status?.traffic?.effectiveWeight === 10);
    await this.measure('weight 10', { [NEW]: 10 });
    await this.write('by-canary');
    await this.shift(50);
    await this.measure('weight 50', { [NEW]: 50 });
    await this.shift(100);
    await this.promoted(NEW);
    this.printSoak();
  }

  private async undoInTheSoak(): Promise<void> {
    this.chapter('undo during the soak');
    const startedAt = performance.now();
    this.line((await this.pcf('undo', 'pcf-api')).trim());
    await this.promoted(OLD);
    this.printDuration(`all traffic is on ${OLD} again`, performance.now() - startedAt);
    await this.measure('after the undo', { [OLD]: 100 });
    await this.write('after-undo');
    this.expect(
      await this.hasColumn('repository'),
      'the old column was dropped, although the soak was cancelled',
    );
  }

  private async promoteAgain(): Promise<void> {
    this.chapter(`${NEW} again: its migrations do not run twice`);
    const startedAt = performance.now();
    await this.patch({ image: imageOf(NEW) });
    await this.promoted(NEW);
    this.printDuration('promoted', performance.now() - startedAt);
    this.printSoak();
  }

  private async contract(): Promise<void> {
    this.chapter(`contract: after the soak of ${SOAK}, and after the last pod of ${OLD}`);
    const before = await this.writeRows();
    const startedAt = performance.now();
    await this.migration('contracted', ({ rollbackFloor, pending }) => !!rollbackFloor && !pending, LONG_MS);
    this.printDuration('contracted', performance.now() - startedAt);
    this.expect(!(await this.hasColumn('repository')), 'the old column still exists');
    await this.write('after-contract');
    const within = await this.writeRows();
    this.line(
      `p99 of mutations ${p99(before.sample).toFixed(1)} ms with the trigger of expand, ${p99(within.sample).toFixed(1)} ms while the hidden column is maintained`,
    );
    await this.measure('after contract', { [NEW]: 100 });
    this.line((await this.pcf('migrate', 'status', 'pcf-api')).trim().replaceAll('\n', '\n    '));
  }

  /** The old version returns after contract: the column is restored with what the new version has written. */
  private async undoInTheWindow(): Promise<void> {
    this.chapter(`undo within the window of ${WINDOW} after contract`);
    this.line((await this.pcf('undo', 'pcf-api', '--dry-run')).trim().replaceAll('\n', '\n    '));
    const failuresBefore = this.load.total.failures.length;
    const startedAt = performance.now();
    const writers = this.startWriters();
    this.line((await this.pcf('undo', 'pcf-api')).trim());
    await this.promoted(OLD);
    await writers.stop();
    this.printDuration(`restored, and all traffic is on ${OLD} again`, performance.now() - startedAt);
    const failed = this.load.total.failures.length - failuresBefore + writers.sample.failures.length;
    this.expect(
      failed === 0,
      `${failed} requests failed during the undo: ${writers.sample.failures[0] ?? ''}`,
    );
    this.line(`${count(writers.sample)} mutations during the undo, ${writers.sample.failures.length} failed`);
    this.expect(await this.hasColumn('repository'), 'the old column was not restored');
    const [wrong] = await this.sql<{ rows: number; stale: number }>(
      `SELECT count(*)::int AS rows,
              count(*) FILTER (WHERE repository IS DISTINCT FROM repository_url || coalesce('#' || repository_branch, ''))::int AS stale
       FROM services`,
      [],
    );
    this.line(
      `compared ${wrong?.rows.toLocaleString('en')} rows: ${wrong?.stale} differ in the old column and the new ones`,
    );
    this.expect(wrong?.stale === 0, `${wrong?.stale} rows are stale after the restore`);
    const values = [[...writers.written.keys()], [...writers.written.values()]];
    // The new version writes the URL, the old one the restored column.
    const [lost] = await this.sql<{ count: number }>(
      `SELECT count(*)::int AS count FROM services JOIN unnest($1::uuid[], $2::text[]) AS w (id, text) USING (id)
       WHERE text NOT IN (repository_url, repository)`,
      values,
    );
    this.expect(lost?.count === 0, `${lost?.count} writes were lost during the undo`);
    await this.measure('after the undo', { [OLD]: 100 });
    await this.write('after-restore');
  }

  private async purge(): Promise<void> {
    this.chapter(`${NEW} again, contract, and a purge after a window of ${SHORT_WINDOW}`);
    await this.patch({
      image: imageOf(NEW),
      migrations: { contractDelay: SOAK, contractWindow: SHORT_WINDOW },
    });
    await this.promoted(NEW);
    const startedAt = performance.now();
    await this.migration('contracted', ({ rollbackFloor, pending }) => !!rollbackFloor && !pending, LONG_MS);
    await this.migration('purged', ({ phase, state }) => phase === 'purge' && state === 'Succeeded', LONG_MS);
    this.printDuration('contracted and purged, including soak and window', performance.now() - startedAt);
    const hidden = await this.sql(
      "SELECT 1 FROM information_schema.columns WHERE column_name LIKE 'pcf\\_hidden\\_%'",
      [],
    );
    this.expect(hidden.length === 0, 'the purge has left hidden columns');
    await this.measure('after the purge', { [NEW]: 100 });
  }

  private startWriters(): RowWriters {
    const writers = new RowWriters(this.load, this.databaseUrl, SPLIT_MIGRATIONS.backfill);
    writers.start();
    return writers;
  }

  /** Mutations of rows for some seconds. */
  private async writeRows(): Promise<RowWriters> {
    const writers = this.startWriters();
    await sleep(WRITES_MS);
    await writers.stop();
    const [failure] = writers.sample.failures;
    if (failure)
      this.problems.push(`${writers.sample.failures.length} mutations failed, the first: ${failure}`);
    return writers;
  }

  private async rejectUndo(): Promise<void> {
    this.chapter('an undo below the rollback floor');
    const output = await this.pcf('undo', 'pcf-api', '--to', '1').catch(
      (error: { stderr?: string }) => error,
    );
    const refusal = typeof output === 'string' ? '' : (output.stderr ?? '').trim();
    this.line(`kubectl pcf undo --to 1 -> ${refusal || output}`);
    this.expect(refusal.includes('DropRepository'), 'kubectl pcf undo was not rejected');
    await this.patch({ image: imageOf(OLD) });
    await this.watch.until('rejected', (api) => api?.status?.reason === 'BelowRollbackFloor');
    const ready = this.watch.now()?.status?.conditions?.find(({ type }) => type === 'Ready');
    this.line(`an edit of the image -> Ready is ${ready?.status}: ${ready?.message}`);
    await this.measure('after the rejection', { [NEW]: 100 });
    await this.patch({ image: imageOf(NEW) });
    await this.watch.until('Ready again', (api) => api?.status?.phase === 'Ready');
  }

  private printSoak(): void {
    this.line(`contract waits for ${this.watch.now()?.status?.migration?.waitingFor}`);
  }

  private migration(what: string, check: (migration: Migration) => boolean, timeoutMs = LONG_MS) {
    return this.watch.until(what, (api) => check(api?.status?.migration ?? { state: 'none' }), timeoutMs);
  }

  private promoted(version: string): Promise<void> {
    return this.watch.until(
      `${version} promoted`,
      (api) => api?.status?.phase === 'Ready' && api.status.stableImage === imageOf(version),
    );
  }

  /** A write, which both versions must support. */
  private async write(name: string): Promise<void> {
    const repository = `https://git.example.com/acme/${name}#main`;
    const { version } = await this.load.graphql(WRITE, { name, repository });
    this.line(`a mutation, served by ${version}`);
  }

  private async hasColumn(column: string): Promise<boolean> {
    const found = await this.sql(
      "SELECT 1 FROM information_schema.columns WHERE table_name = 'services' AND column_name = $1",
      [column],
    );
    return found.length === 1;
  }

  private async sql<T extends object>(text: string, values: unknown[]): Promise<T[]> {
    const client = new Client({ connectionString: this.databaseUrl });
    await client.connect();
    return client
      .query<T>(text, values)
      .then(({ rows }) => rows)
      .finally(() => client.end());
  }
}
