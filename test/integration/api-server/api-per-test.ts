/** An API process per test, and one migrated database for the suite. */
import { ApiProcess, type Env } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

export class ApiPerTest {
  /** Settings with the database of the suite. */
  env: Env = {};
  private api: ApiProcess | undefined;

  get url(): string {
    return this.env.PCF_API__DATABASE__URL ?? '';
  }

  async start(env: Env = {}): Promise<ApiProcess> {
    this.api = await ApiProcess.start({ ...this.env, ...env });
    return this.api;
  }

  async kill(): Promise<void> {
    await this.api?.kill();
    this.api = undefined;
  }
}

/** Registers hooks that create the database, and end the process after each test. */
export function useApiPerTest(): ApiPerTest {
  const apis = new ApiPerTest();
  before(async () => {
    apis.env = { PCF_API__DATABASE__URL: await migratedDatabase() };
  });
  afterEach(() => apis.kill());
  return apis;
}
