import assert from 'node:assert/strict';
import { OperatorProcess } from '../../../sandbox/operator-process.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';
import { OtlpReceiver } from '../../support/servers/otlp-receiver.js';

describe('traces of the operator', () => {
  let sandbox: Sandbox;
  let receiver: OtlpReceiver;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    receiver = await OtlpReceiver.start();
  });
  after(() => receiver?.stop());

  it('contain each reconcile with its steps, and are flushed when the operator stops', async () => {
    const namespace = await newTenant(sandbox, 'traced');
    const api = await TestApi.create(sandbox, namespace);
    await api.ready();
    const { cluster } = sandbox.parts;
    const { stateDir, ledger } = sandbox;
    const endpoint = receiver.url.replace('/v1/traces', '');
    const args = ['--no-leader-election', '--namespace', namespace, '--otlp-endpoint', endpoint];
    const operator = await OperatorProcess.start({ cluster, stateDir, ledger, args, name: 'traced' });
    const reconciled = /controller_runtime_reconcile_total\{[^}]*result="success"[^}]*\} [1-9]/;
    await eventually('a reconcile', async () => {
      const response = await fetch(`http://127.0.0.1:${operator.port}/metrics`);
      return reconciled.test(await response.text());
    });
    await operator.stop();

    const root = receiver.spans.find(({ name }) => name === 'reconcile PcfApi')!;
    assert.equal(root.service, 'pcf-operator');
    assert.deepEqual(
      [root.attributes['k8s.namespace.name'], root.attributes['pcf.name'], root.attributes['pcf.reason']],
      [namespace, 'api', api.status.reason],
    );
    const children = receiver.trace(root.traceId).filter(({ parentSpanId }) => parentSpanId === root.spanId);
    assert.deepEqual(
      children.map(({ name }) => name),
      ['observe', 'plan', 'apply', 'report'],
    );
  });
});
