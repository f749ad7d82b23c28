import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSettings } from '../../../api-server/config/load.js';
import { cpuLimit } from '../../../api-server/lifecycle/cpu-limit.js';
import { settingsOfWorker, workerCount } from '../../../api-server/lifecycle/workers.js';

describe('API workers', () => {
  const settingsWith = (workers: number, connections: number) =>
    loadSettings({
      PCF_API__DATABASE__URL: 'postgresql://localhost/none',
      PCF_API__SERVER__WORKERS: String(workers),
      PCF_API__DATABASE__MAX_CONNECTIONS: String(connections),
      PCF_CONFIG_DIR: '/nonexistent',
    });

  it('server.workers = 0 starts one worker per core of the CPU limit', async () => {
    assert.deepEqual(workerCount(await settingsWith(0, 100), 4), { configured: 4, count: 4 });
    assert.deepEqual(workerCount(await settingsWith(3, 100), 4), { configured: 3, count: 3 });
  });

  it('the connection budget of a pod limits its workers, and is never exceeded', async () => {
    for (let connections = 2; connections < 12; connections += 1) {
      for (const workers of [1, 2, 4]) {
        const settings = await settingsWith(workers, connections);
        const { count, configured } = workerCount(settings, 1);
        const each = settingsOfWorker(settings, count).database.max_connections;
        assert.equal(configured, workers);
        assert.equal(count, Math.min(workers, Math.floor(connections / 2)));
        assert.ok(each >= 2 && each * count <= connections, `${connections} for ${workers}`);
      }
    }
  });

  it('the CPU limit comes from the cgroup of the container, in both versions of cgroups', () => {
    const root = mkdtempSync(join(tmpdir(), 'pcf-test-cgroup-'));
    const write = (file: string, text: string) => writeFileSync(join(root, file), `${text}\n`);
    try {
      assert.equal(cpuLimit(root), undefined);
      mkdirSync(join(root, 'cpu'));
      write('cpu/cpu.cfs_period_us', '100000');
      write('cpu/cpu.cfs_quota_us', '-1');
      assert.equal(cpuLimit(root), undefined, 'version 1, no limit');
      write('cpu/cpu.cfs_quota_us', '400000');
      assert.equal(cpuLimit(root), 4, 'version 1');
      write('cpu.max', 'max 100000');
      assert.equal(cpuLimit(root), undefined, 'version 2, no limit');
      write('cpu.max', '150000 100000');
      assert.equal(cpuLimit(root), 1.5, 'version 2');
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
