/** An API without authentication, and the operations that create what tests read. */
import { sharedPostgres, type TestPostgres } from '../../support/servers/postgres.js';
import { ApiProcess, type Env, type GraphqlAnswer } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

export const CREATE =
  'mutation Create($input: CreateServiceInput!) { createService(input: $input) { id name owner } }';
export const RECORD = `mutation Record($input: RecordDeploymentInput!) {
  recordDeployment(input: $input) { id version status startedAt finishedAt environment { name } service { id name } }
}`;
export const FINISH = `mutation Finish($input: FinishDeploymentInput!) {
  finishDeployment(input: $input) { id status finishedAt }
}`;

export class GraphqlUnderTest {
  private constructor(
    readonly postgres: TestPostgres,
    readonly url: string,
    readonly api: ApiProcess,
  ) {}

  static async start(env: Env = {}): Promise<GraphqlUnderTest> {
    const postgres = await sharedPostgres();
    const url = await migratedDatabase();
    await postgres.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET log_statement = 'all'`, url);
    const api = await ApiProcess.start({ PCF_API__DATABASE__URL: url, ...env });
    await api.waitForReady();
    return new GraphqlUnderTest(postgres, url, api);
  }

  /** Creates a service and returns its ID. */
  async create(name: string): Promise<string> {
    return (await this.api.graphql(CREATE, { input: { name } })).data.createService.id;
  }

  /** Records a deployment. */
  record(input: object): Promise<GraphqlAnswer> {
    return this.api.graphql(RECORD, {
      input: { environment: 'production', version: '1.0.0', idempotencyKey: 'k1', ...input },
    });
  }

  async clear(): Promise<void> {
    await this.postgres.query('TRUNCATE services, deployments CASCADE', this.url);
  }
}
