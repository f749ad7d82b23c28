import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readSettings } from '../../../operator/settings.js';

/** Runs the compiled operator, which reads its settings first. */
function run(args: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/bundle/operator/main.js', ...args], {
    env: { PATH: process.env.PATH, ...env },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

const read = (...args: string[]) => readSettings(['node', 'pcf-operator', ...args]);

describe('operator settings', () => {
  it('have safe defaults', () => {
    assert.deepEqual(read(), {
      namespaces: [],
      leaseNamespace: 'pcf-system',
      leaderElection: true,
      clusterWindows: true,
      leaseDurationMs: 15_000,
      renewDeadlineMs: 10_000,
      retryPeriodMs: 2_000,
      shards: 1,
      concurrency: 8,
      resyncMs: 600_000,
      kubeApiQps: 0,
      kubeApiBurst: 0,
      port: 8081,
      host: '0.0.0.0',
      dashboardPort: 0,
      logLevel: 'info',
    });
  });

  it('accept --namespace repeatedly, and comma-separated namespaces', () => {
    assert.deepEqual(read('--namespace', 'b', '--namespace', 'a,c', '--namespace', 'b').namespaces, [
      'a',
      'b',
      'c',
    ]);
  });

  it('enable traces with --otlp-endpoint or its variable; an empty variable is unset', () => {
    const given = { url: 'http://collector:4318/v1/traces', sampleRatio: 0.1 };
    const args = ['--otlp-endpoint', 'http://collector:4318/', '--trace-sample-ratio', '0.1'];
    assert.deepEqual(read(...args).tracing, given);
    process.env.OTEL_EXPORTER_OTLP_ENDPOINT = 'http://collector:4318';
    try {
      assert.deepEqual(read().tracing, { ...given, sampleRatio: 1 });
      process.env.OTEL_EXPORTER_OTLP_ENDPOINT = '';
      assert.equal(read().tracing, undefined);
    } finally {
      delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
    }
  });

  it('read PcfWindows in the whole cluster, and with --namespace only with --cluster-windows', () => {
    const windows = (...args: string[]) => read(...args).clusterWindows;
    assert.deepEqual([windows(), windows('--namespace', 'a')], [true, false]);
    assert.equal(windows('--namespace', 'a', '--cluster-windows'), true);
    process.env.PCF_CLUSTER_WINDOWS = 'true';
    try {
      assert.equal(windows('--namespace', 'a'), true);
      process.env.PCF_CLUSTER_WINDOWS = 'false';
      assert.equal(windows('--namespace', 'a'), false);
    } finally {
      delete process.env.PCF_CLUSTER_WINDOWS;
    }
  });

  it('default the burst to twice the rate', () => {
    const { kubeApiQps, kubeApiBurst } = read('--kube-api-qps', '20');
    assert.deepEqual([kubeApiQps, kubeApiBurst], [20, 40]);
  });

  it('contain the command check-uninstall only if it is given', () => {
    assert.equal(read('check-uninstall', '--namespace', 'a').command, 'check-uninstall');
    assert.equal('command' in read(), false);
  });

  it('are read from the environment, and a flag has precedence over its variable', () => {
    process.env.PCF_CONCURRENCY = '3';
    process.env.PCF_NAMESPACE = 'one,two';
    try {
      assert.deepEqual(read().namespaces, ['one', 'two']);
      assert.equal(read().concurrency, 3);
      assert.deepEqual(read('--concurrency', '4', '--namespace', 'three').namespaces, ['three']);
      assert.equal(read('--concurrency', '4').concurrency, 4);
    } finally {
      delete process.env.PCF_CONCURRENCY;
      delete process.env.PCF_NAMESPACE;
    }
  });

  it('disable leader election if PCF_NO_LEADER_ELECTION is true, and reject values except true and false', () => {
    try {
      for (const [value, leaderElection] of [
        ['true', false],
        ['false', true],
      ] as const) {
        process.env.PCF_NO_LEADER_ELECTION = value;
        assert.equal(read().leaderElection, leaderElection, value);
        assert.equal(read('--no-leader-election').leaderElection, false);
      }
    } finally {
      delete process.env.PCF_NO_LEADER_ELECTION;
    }
    for (const value of ['no', '0', '']) {
      const { status, stderr } = run([], { PCF_NO_LEADER_ELECTION: value });
      assert.equal(status, 1);
      assert.ok(stderr.includes(`PCF_NO_LEADER_ELECTION must be true or false, not "${value}"`), stderr);
    }
  });

  for (const [args, message] of [
    [['--concurrency', '0'], /--concurrency.* It must be a whole number from 1 to 256/],
    [['--concurrency', '2.5'], /whole number/],
    [['--port', '70000'], /whole number from 0 to 65535/],
    [['--namespace', 'Platform'], /--namespace.* It must be the name of a namespace/],
    [['--approval-url', 'http://approvals.example.com'], /--approval-url.* It must be an https URL/],
    [['--resync', 'often'], /--resync.* It must be a duration such as 30s, 10m or 1h/],
    [['--resync', '10ms'], /It must be at least 1s, or 0 for never/],
    [['--otlp-endpoint', 'collector:4318'], /--otlp-endpoint.* It must be a URL/],
    [['--trace-sample-ratio', '2'], /It must be a number from 0 to 1/],
    [['--log-level', 'loud'], /Allowed choices are trace, debug, info, warn, error/],
    [['--kube-api-qps', '50', '--kube-api-burst', '10'], /--kube-api-burst must not be below --kube-api-qps/],
    [['--shards', '0'], /--shards.* It must be a whole number from 1 to 64/],
    [['--shards', '2', '--no-leader-election'], /--shards needs leader election/],
    [['--renew-deadline', '20s'], /--retry-period < --renew-deadline < --lease-duration/],
    [['--workres', '3'], /unknown option '--workres'/],
    [['serve'], /'serve' is invalid .* Allowed choices are check-uninstall/],
    [['check-uninstall', 'now'], /too many arguments/],
  ] as const) {
    it(`reject ${args.join(' ')}, with the cause`, () => {
      const { status, stderr } = run([...args]);
      assert.equal(status, 1);
      assert.match(stderr, message);
      assert.match(stderr, /--help lists the flags/);
    });
  }

  it('serve approval links only with a URL, over http only on this machine, without a slash at its end', () => {
    assert.equal(read().approvals, undefined);
    const { approvals } = read(
      '--approval-url',
      'http://localhost:8083/',
      '--approval-user-header',
      'X-User',
    );
    assert.deepEqual(approvals, {
      ...{ publicUrl: 'http://localhost:8083', port: 8083, userHeader: 'X-User' },
      keySecret: 'pcf-operator-approval-keys',
    });
    assert.equal(
      read('--approval-url', 'https://pcf.example.com/links/').approvals?.publicUrl,
      'https://pcf.example.com/links',
    );
  });

  it('reject an invalid environment variable, and name it', () => {
    const { status, stderr } = run([], { PCF_PORT: 'http' });
    assert.equal(status, 1);
    assert.match(stderr, /PCF_PORT.* whole number/);
  });

  it('have a --help with flags, variables, defaults and examples', () => {
    const { status, stdout } = run(['--help']);
    assert.equal(status, 0);
    for (const text of ['--kube-api-qps', '--namespace', 'PCF_RESYNC', 'Examples:', 'default: 8'])
      assert.ok(stdout.includes(text), text);
  });
});
