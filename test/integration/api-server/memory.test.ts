import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { podResources } from '../../../operator/api/v1alpha1/defaults.js';
import { bearer, JWT_SECRET } from '../../support/fixtures/tokens.js';
import { MemoryLimit } from '../../support/processes/memory-limit.js';
import { ApiProcess } from './api-process.js';
import { migratedDatabase } from './migrated-database.js';

/** Maximum share of the memory request that an idle pod may use. The autoscaler's target is 80 %. */
const IDLE_SHARE = 0.6;

function mib(quantity: string | number | undefined): number {
  const [, number, unit] = /^(\d+)(Mi|Gi)$/.exec(String(quantity))!;
  return Number(number) * (unit === 'Gi' ? 1024 : 1);
}

function residentMib(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

describe('api-server memory', () => {
  for (const environment of ['development', 'staging', 'production'] as const) {
    it(`an idle pod uses less memory than the autoscaler's target (${environment})`, async function () {
      if (process.platform !== 'linux') this.skip();
      const { requests, limits } = podResources({ environment });
      await using limit = MemoryLimit.create(mib(limits?.memory));
      const env = {
        PCF_API__DATABASE__URL: await migratedDatabase(),
        PCF_API__ENVIRONMENT: environment,
        PCF_API__AUTH__JWT_SECRET: JWT_SECRET,
      };
      const start = () => ApiProcess.start(env);
      const api = await (limit ? limit.around(start) : start());
      try {
        await api.waitForReady();
        const headers = await bearer();
        for (let count = 0; count < 20; count += 1) await api.graphql('{ me { kind } }', {}, headers);
        await sleep(2_000);
        const share = residentMib(api.pid) / mib(requests?.memory);
        assert.ok(share < IDLE_SHARE, `${Math.round(100 * share)} % of the request`);
      } finally {
        await api.kill();
      }
    });
  }
});
