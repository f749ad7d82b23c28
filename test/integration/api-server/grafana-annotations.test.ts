import assert from 'node:assert/strict';
import { pino } from 'pino';
import { annotationJobs } from '../../../api-server/jobs/grafana-annotations.js';
import {
  annotatedDeployment,
  deploymentsChangedSince,
} from '../../../api-server/modules/deployments/recent-changes.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { sharedPostgres } from '../../support/servers/postgres.js';
import { startRedis, type TestRedis } from '../../support/servers/redis.js';
import { ApiProcess } from './api-process.js';
import { DomainUnderTest } from './domain-under-test.js';
import { FakeGrafana } from './fake-grafana.js';
import { migratedDatabase } from './migrated-database.js';

describe('api-server annotations in Grafana', () => {
  let redis: TestRedis | undefined;

  before(async function () {
    redis = await startRedis();
    if (!redis) return this.skip();
  });
  after(() => redis?.stop());

  it('annotate each deployment once, despite errors of Grafana and a crash of the worker', async () => {
    const postgres = await sharedPostgres();
    const url = await migratedDatabase();
    const grafana = await FakeGrafana.start();
    const env = {
      PCF_API__DATABASE__URL: url,
      PCF_API__REDIS__URL: `${redis!.url}/1`,
      PCF_API__GRAFANA__URL: grafana.url,
      PCF_API__GRAFANA__TOKEN: 'hush-hush',
      PCF_API__WORKER__RETRY_INITIAL: '50ms',
    };
    await postgres.query(
      `WITH s AS (INSERT INTO services (id, name) VALUES (gen_random_uuid(), 'web') RETURNING id)
       INSERT INTO deployments (id, service_id, environment, version, status, started_at, idempotency_key)
       SELECT gen_random_uuid(), id, 'production', '1.0.' || n, 'IN_PROGRESS', now(), 'k' || n
       FROM s, generate_series(1, 5) n`,
      url,
    );
    grafana.failing = 3;
    let worker = await ApiProcess.start(env, undefined, 'worker');
    try {
      await eventually('all deployments are annotated', () => grafana.annotations.size === 5);
      assert.equal((await worker.fetch('/health')).status, 200);
      await worker.waitForReady();
      assert.match(await worker.metrics(), /pcf_api_jobs\{queue="grafana-deployment",state="waiting"\} 0/);
      assert.equal((await worker.fetch('/graphql')).status, 404);
      await worker.kill();

      await postgres.query(
        "UPDATE deployments SET status = 'SUCCEEDED', finished_at = now(), updated_at = now()",
        url,
      );
      worker = await ApiProcess.start(env, undefined, 'worker');
      const texts = () => [...grafana.annotations.values()].map(({ text }) => text);
      await eventually('all annotations are updated', () =>
        texts().every((text) => text.endsWith('succeeded')),
      );
      assert.equal(grafana.annotations.size, 5, 'annotations are updated, not added');
      assert.deepEqual(new Set(grafana.tokens), new Set(['Bearer hush-hush']));
      worker.signal('SIGTERM');
      const { code, stdout } = await worker.ended;
      assert.equal(code, 0);
      assert.doesNotMatch(stdout, /hush-hush/);
    } finally {
      await worker.kill();
      grafana.stop();
    }
  });

  it('annotate the current status of the deployment, not the status at the time of enqueueing', async () => {
    const domain = await DomainUnderTest.start();
    const grafana = await FakeGrafana.start();
    try {
      const { dataSource } = domain.database;
      const [, annotate] = annotationJobs({
        url: grafana.url,
        token: undefined,
        changedSince: (since) => deploymentsChangedSince(dataSource, since),
        load: (uuid) => annotatedDeployment(dataSource, uuid),
        enqueue: async () => undefined,
      });
      const { signal } = new AbortController();
      const context = { signal, attempt: 1, isLast: false, log: pino({ level: 'silent' }) };
      const id = await domain.record(await domain.createService('web'));
      const [changed] = await deploymentsChangedSince(dataSource, new Date(0));
      const uuid = changed?.uuid ?? '';
      await annotate.handle({ uuid }, context);
      const text = () => [...grafana.annotations.values()].map((annotation) => annotation.text);
      assert.deepEqual(text(), ['web 1.0.0 in production: in progress']);

      // The first job is about to write the status in progress. Meanwhile the deployment
      // finishes, and a second job writes the final status.
      let unblock: () => void = () => undefined;
      const blocked = new Promise<void>((resolve) => {
        grafana.beforeChange = () => {
          grafana.beforeChange = async () => undefined;
          resolve();
          return new Promise((continueChange) => {
            unblock = continueChange;
          });
        };
      });
      const first = annotate.handle({ uuid }, context);
      await blocked;
      await domain.finish(id);
      await annotate.handle({ uuid }, context);
      unblock();
      await first;
      assert.deepEqual(text(), ['web 1.0.0 in production: succeeded']);
      await annotate.handle({ uuid: crypto.randomUUID() }, context); // a deployment that was deleted
      assert.equal(grafana.annotations.size, 1);
    } finally {
      grafana.stop();
      await domain.close();
    }
  });
});
