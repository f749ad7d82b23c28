import assert from 'node:assert/strict';
import { EXIT } from '../../../contract/image.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { useApiPerTest } from './api-per-test.js';

const SERVICES = '{ services { totalCount edges { node { name } } } }';

describe('api-server HTTP with multiple workers', () => {
  const apis = useApiPerTest();

  it('serve on one port, are restarted after a crash, and have aggregated metrics', async () => {
    const server = await apis.start({ PCF_API__SERVER__WORKERS: '2', PCF_API__SHUTDOWN__DELAY: '0s' });
    const pids = () =>
      new Set(server.logs.filter(({ msg }) => msg === 'serving').map(({ pid }) => Number(pid)));
    const request = async () => {
      requests += 1;
      const answer = await server.graphql(SERVICES, {}, { connection: 'close' });
      assert.equal(answer.status, 200);
    };
    let requests = 0;
    await server.waitForReady();
    // From the first ready worker on: the other one must not receive a request before its database is ready.
    while (pids().size < 2 || requests < 40) await request();
    const done = () =>
      server
        .metrics()
        .then((text) =>
          Number(
            /http_request_duration_seconds_count\{method="POST",route="\/graphql",status="200"\} (\d+)/.exec(
              text,
            )?.[1],
          ),
        );
    await eventually('all requests are counted', async () => (await done()) === requests);
    assert.match(await server.metrics(), /pcf_api_workers 2/);

    const [victim] = [...pids()];
    process.kill(victim!, 'SIGKILL');
    await eventually('the exit is noticed', () =>
      server.logs.some(({ msg }) => /restarting/.test(String(msg))),
    );
    while (pids().size < 3) await request();
    for (let index = 0; index < 10; index += 1) await request();
    await eventually('two workers run', async () => /pcf_api_workers 2/.test(await server.metrics()));
    assert.match(await server.metrics(), /pcf_api_worker_restarts_total 1/);

    server.signal('SIGTERM');
    assert.equal((await server.ended).code, EXIT.ok);
    for (const pid of pids()) assert.throws(() => process.kill(pid, 0), 'a worker is still running');
  });

  it('share the connection budget: a pod runs and reports fewer workers if the budget is too small', async () => {
    const server = await apis.start({
      PCF_API__SERVER__WORKERS: '4',
      PCF_API__DATABASE__MAX_CONNECTIONS: '5',
      PCF_API__SHUTDOWN__DELAY: '0s',
    });
    await server.waitForReady();
    assert.equal((await server.graphql(SERVICES)).status, 200);
    await eventually('two workers run', async () => /pcf_api_workers 2/.test(await server.metrics()));
    assert.match(await server.metrics(), /pcf_api_workers_configured 4/);
    const warning = server.logs.find(({ msg }) => /running fewer/.test(String(msg)));
    assert.deepEqual([warning?.workers, warning?.configured, warning?.maxConnections], [2, 4, 5]);
    server.signal('SIGTERM');
    assert.equal((await server.ended).code, EXIT.ok);
  });

  it('exit when their primary process is killed', async () => {
    const server = await apis.start({ PCF_API__SERVER__WORKERS: '2' });
    await eventually(
      'both workers serve',
      () => server.logs.filter(({ msg }) => msg === 'serving').length === 2,
    );
    const pids = server.logs.filter(({ msg }) => msg === 'serving').map(({ pid }) => Number(pid));
    server.signal('SIGKILL');
    const isTerminated = (pid: number) => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    };
    await eventually('the workers are terminated', () => pids.every(isTerminated));
  });
});
