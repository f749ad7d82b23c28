import assert from 'node:assert/strict';
import { Registry } from 'prom-client';
import type { PcfApiStatus } from '../../../operator/api/v1alpha1/status.js';
import { Metrics } from '../../../operator/reconciler/pcfapi-metrics.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const lastTransitionTime = '2026-11-23T12:00:00Z';
const status = (phase: PcfApiStatus['phase'], degraded: string | undefined): PcfApiStatus => ({
  phase,
  conditions: [
    { type: 'Ready', status: 'True', reason: 'Ready', message: 'it serves', lastTransitionTime },
    {
      type: 'Degraded',
      status: degraded ? 'True' : 'False',
      reason: degraded ?? 'AsExpected',
      message: 'it is as it is',
      lastTransitionTime,
    },
  ],
});

describe('PcfApi metrics', () => {
  const api = pcfApi();
  const seriesOf = async (registry: Registry, metric: string) =>
    (await registry.metrics()).split('\n').filter((line) => line.startsWith(`${metric}{`));

  it('pcf_condition has one series per condition, with the current reason only', async () => {
    const registry = new Registry();
    const metrics = new Metrics(registry);
    const series = (type: string, is: string, reason: string) =>
      `pcf_condition{namespace="platform",name="api",type="${type}",status="${is}",reason="${reason}"} 1`;
    metrics.recordStatus(api, status('Ready', 'ContractFailed'));
    const ready = series('Ready', 'True', 'Ready');
    assert.deepEqual(await seriesOf(registry, 'pcf_condition'), [
      ready,
      series('Degraded', 'True', 'ContractFailed'),
    ]);
    metrics.recordStatus(api, status('Ready', 'CRDMissing'));
    assert.deepEqual(await seriesOf(registry, 'pcf_condition'), [
      ready,
      series('Degraded', 'True', 'CRDMissing'),
    ]);
    metrics.recordStatus(api, status('Ready', undefined));
    assert.deepEqual(await seriesOf(registry, 'pcf_condition'), [
      ready,
      series('Degraded', 'False', 'AsExpected'),
    ]);
  });

  it('pcf_phase is 1 for the current phase only, including Deleting', async () => {
    const registry = new Registry();
    const metrics = new Metrics(registry);
    metrics.recordStatus(api, status('Ready', undefined));
    metrics.recordStatus(api, status('Deleting', undefined));
    assert.deepEqual(
      (await seriesOf(registry, 'pcf_phase')).filter((line) => line.endsWith(' 1')),
      ['pcf_phase{namespace="platform",name="api",phase="Deleting"} 1'],
    );
  });

  it('are deleted with the PcfApi', async () => {
    const registry = new Registry();
    const metrics = new Metrics(registry);
    const other = { ...api, metadata: { ...api.metadata, name: 'other' } };
    for (const one of [api, other]) metrics.recordStatus(one, status('Ready', 'CRDMissing'));
    metrics.forget('platform', 'api');
    const left = [...(await seriesOf(registry, 'pcf_condition')), ...(await seriesOf(registry, 'pcf_phase'))];
    assert.ok(left.length > 0);
    for (const line of left) assert.match(line, /name="other"/);
  });
});
