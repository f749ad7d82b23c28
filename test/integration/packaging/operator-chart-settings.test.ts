import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import type { KubeObject } from '../../../operator/runtime/kube-client.js';
import { OPERATOR_CHART } from '../../../scripts/plain-manifests.js';
import { find, useCharts, variablesOf } from './rendered-charts.js';

describe('Helm chart of the operator: settings', () => {
  const charts = useCharts();

  /** The settings that the operator reads from environment variables. */
  const settingsOf = (env: Record<string, string>) => {
    const code = `import('./dist/operator/settings.js').then(({ readSettings }) =>
      console.log(JSON.stringify(readSettings(['node', 'pcf-operator']))))`;
    const options = { encoding: 'utf8', env: { PATH: process.env.PATH, ...env } } as const;
    return JSON.parse(execFileSync(process.execPath, ['--eval', code], options)) as Record<string, unknown>;
  };

  it("render the operator's default settings by default", async () => {
    assert.deepEqual(settingsOf(variablesOf(await charts.render(OPERATOR_CHART))), settingsOf({}));
  });

  it('have a value for each setting of the operator', async () => {
    const help = execFileSync(process.execPath, ['dist/bundle/operator/main.js', '--help'], {
      encoding: 'utf8',
    });
    const known = new Set([...help.matchAll(/\bPCF_[A-Z_]+/g)].map(([name]) => name));
    const values = [
      'watchNamespaces={one,two},logLevel=debug,concurrency=16,resync=0,kubeApi.qps=50,kubeApi.burst=70',
      'leaderElection.leaseDuration=60s,leaderElection.renewDeadline=40s,leaderElection.retryPeriod=5s',
      'shards=6,host=::,port=9000,dashboardPort=9001,clusterWindows=true',
      'approvals.url=https://approvals.example.com/pcf,approvals.port=9002,approvals.keySecret=link-keys',
      'approvals.userHeader=X-Forwarded-Email,approvals.from[0].podSelector.matchLabels.app=proxy',
    ];
    const variables = variablesOf(await charts.render(OPERATOR_CHART, '--set', values.join(',')));
    assert.deepEqual(new Set([...Object.keys(variables), 'PCF_NO_LEADER_ELECTION']), known);
    assert.deepEqual(settingsOf(variables), {
      namespaces: ['one', 'two'],
      leaseNamespace: 'pcf-system',
      leaderElection: true,
      clusterWindows: true,
      leaseDurationMs: 60_000,
      renewDeadlineMs: 40_000,
      retryPeriodMs: 5_000,
      shards: 6,
      concurrency: 16,
      resyncMs: 0,
      kubeApiQps: 50,
      kubeApiBurst: 70,
      host: '::',
      port: 9000,
      dashboardPort: 9001,
      approvals: {
        publicUrl: 'https://approvals.example.com/pcf',
        port: 9002,
        keySecret: 'link-keys',
        userHeader: 'X-Forwarded-Email',
      },
      logLevel: 'debug',
    });
    const alone = await charts.render(OPERATOR_CHART, '--set', 'leaderElection.enabled=false,replicas=1');
    assert.equal(settingsOf(variablesOf(alone)).leaderElection, false);
  });

  it('enable traces with tracing.endpoint, and allow egress to its port', async () => {
    const ports = (objects: KubeObject[]) =>
      (find(objects, 'NetworkPolicy')!.spec as { egress: { ports: { port: number }[] }[] }).egress.flatMap(
        (rule) => rule.ports.map(({ port }) => port),
      );
    const before = ports(await charts.render(OPERATOR_CHART));
    for (const [endpoint, port] of [
      ['http://collector:4318', 4318],
      ['https://collector.example.com/otlp', 443],
    ] as const) {
      const values = `tracing.endpoint=${endpoint},tracing.sampleRatio=0.5`;
      const objects = await charts.render(OPERATOR_CHART, '--set', values);
      const url = `${endpoint}/v1/traces`;
      assert.deepEqual(settingsOf(variablesOf(objects)).tracing, { url, sampleRatio: 0.5 });
      assert.equal(ports(objects).length, before.length + 1);
      assert.equal(ports(objects).filter((one) => one === port).length, port === 443 ? 2 : 1);
    }
  });
});
