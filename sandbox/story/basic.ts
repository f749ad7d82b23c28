/** Scenario "basic": installation, a delivery by weight, a broken image, and deletion. */
import { Client } from 'pg';
import { imageOf, LIST, NAMESPACE, Scenario } from './scenario.js';

const CREATE = 'mutation Create($name: String!) { createService(input: { name: $name }) { id name } }';

export class BasicStory extends Scenario {
  protected override async chapters(): Promise<void> {
    await this.sendRequests();
    this.load.start();
    await this.deliver();
    await this.deliverBrokenImage();
    await this.rollBack();
  }

  private async sendRequests(): Promise<void> {
    this.chapter('a mutation and a query through the gateway, over HTTPS');
    const created = await this.load.graphql<{ createService: { name: string } }>(CREATE, {
      name: 'checkout',
    });
    const listed = await this.load.graphql<{ services: { totalCount: number } }>(LIST);
    this.line(
      `createService -> ${created.data.createService.name}; services.totalCount -> ${listed.data.services.totalCount}`,
    );
    this.expect(listed.data.services.totalCount === 1, 'the created service is not listed');
  }

  private async deliver(): Promise<void> {
    this.chapter('a new image whose migration adds a column, held at canaryWeight 0');
    const startedAt = performance.now();
    await this.patch({ image: imageOf('1.1.0'), canaryWeight: 0 });
    await this.watch.until(
      'canary at 0',
      (api) => api?.status?.phase === 'Canary' && api.status.traffic?.verified === true,
    );
    this.printDuration('migrated and ready', performance.now() - startedAt);
    this.expect(
      await this.hasColumn('services', 'runbook_url'),
      'the migration of 1.1.0 did not add its column',
    );
    await this.measure('weight 0', { '1.1.0': 0 });
    const header = await this.load.graphql(LIST, {}, { 'x-canary': 'true' });
    this.line(`with the header x-canary: true, ${header.version} responds`);
    this.expect(header.version === '1.1.0', `the header route selected ${header.version}`);

    for (const weight of [10, 50, 100]) {
      this.chapter(`canaryWeight ${weight}`);
      await this.shift(weight);
      await this.measure(`weight ${weight}`, { '1.1.0': weight });
    }
    await this.watch.until(
      'promoted',
      (api) => api?.status?.phase === 'Ready' && api.status.stableImage === imageOf('1.1.0'),
    );
    this.line('promoted: 1.1.0 is stable, no pod was restarted');
  }

  private async deliverBrokenImage(): Promise<void> {
    this.chapter('a broken image at canaryWeight 50: it starts and is never ready');
    await this.patch({ image: imageOf('1.2.0'), canaryWeight: 50 });
    await this.watch.until('waiting for pods of 1.2.0', (api) => api?.status?.reason === 'PodsNotReady');
    await this.measure('broken image', { '1.1.0': 100, '1.2.0': 0 });
    const ready = this.watch.now()?.status?.conditions?.find(({ type }) => type === 'Ready');
    this.line(`Ready is ${ready?.status}: ${ready?.message}`);
  }

  private async rollBack(): Promise<void> {
    this.chapter('rollback to 1.1.0');
    const startedAt = performance.now();
    await this.patch({ image: imageOf('1.1.0') });
    await this.watch.until('Ready again', (api) => api?.status?.phase === 'Ready');
    this.printDuration('Ready', performance.now() - startedAt);
    await this.measure('after the rollback', { '1.1.0': 100 });
  }

  private async hasColumn(table: string, column: string): Promise<boolean> {
    const client = new Client({ connectionString: this.sandbox.postgres.url(NAMESPACE) });
    await client.connect();
    const found = await client
      .query('SELECT 1 FROM information_schema.columns WHERE table_name = $1 AND column_name = $2', [
        table,
        column,
      ])
      .finally(() => client.end());
    return found.rowCount === 1;
  }
}
