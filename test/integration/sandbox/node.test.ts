import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ResourceType } from '../../../operator/runtime/kube-client.js';
import { PodKind } from '../../../sandbox/node/pod-worker.js';
import type { Container, ContainerState, Pod } from '../../../sandbox/node/types.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';
import { createChameleonImage } from './chameleon-image.js';

const NAMESPACE = 'process-node';
const JobKind: ResourceType = {
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  plural: 'jobs',
  namespaced: true,
};

interface Status {
  phase: string;
  podIP: string;
  conditions: { type: string; status: string }[];
  containerStatuses: {
    state: ContainerState;
    lastState: ContainerState;
    restartCount: number;
    ready: boolean;
  }[];
}

describe('process node on a real control plane', () => {
  let sandbox: Sandbox;
  let imageFolder: string;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    imageFolder = createChameleonImage(sandbox.node.imagesDir);
    await sandbox.parts.kubectl.apply([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'settings', namespace: NAMESPACE },
        data: { colour: 'green', 'base.toml': 'a = 1' },
      },
    ]);
    // Admission requires the service account, which a controller creates.
    await eventually('the namespace is ready', () =>
      sandbox.parts.kubectl.run(['get', 'sa', 'default', '-n', NAMESPACE]).then(
        () => true,
        () => false,
      ),
    );
  });

  after(async () => {
    const flags = ['--wait=false', '--grace-period=1'];
    await sandbox?.parts.kubectl.run(['delete', 'pods', '--all', '-n', NAMESPACE, ...flags]);
  });

  async function run(name: string, container: Partial<Container>, spec: Partial<Pod['spec']> = {}) {
    await sandbox.parts.client.create(PodKind, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: NAMESPACE, labels: { app: name } },
      spec: {
        containers: [{ name: 'main', image: 'registry.example.com/chameleon:1', ...container }],
        restartPolicy: 'Never',
        ...spec,
      },
    });
  }

  async function status(name: string): Promise<Status> {
    return (await sandbox.parts.client.get(PodKind, NAMESPACE, name)).status as unknown as Status;
  }

  async function main(name: string) {
    return (await status(name)).containerStatuses?.[0];
  }

  const isReady = async (name: string) =>
    (await status(name)).conditions?.find(({ type }) => type === 'Ready')?.status === 'True';

  it('passes environment, files and arguments to a container', async () => {
    await sandbox.parts.kubectl.run([
      'create',
      'secret',
      'generic',
      'door',
      '-n',
      NAMESPACE,
      '--from-literal=key=42',
    ]);
    const env = [
      { name: 'PLAIN', value: 'a' },
      { name: 'EXPANDED', value: '$(PLAIN)b' },
      { name: 'SECRET', valueFrom: { secretKeyRef: { name: 'door', key: 'key' } } },
      { name: 'OPTIONAL', valueFrom: { secretKeyRef: { name: 'none', key: 'key', optional: true } } },
      { name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'colour' } } },
      { name: 'APP', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'FILE', value: '/etc/settings/base.toml' },
      { name: 'LAST_WORDS', value: '/dev/termination-log' },
    ];
    await run(
      'env',
      {
        args: ['report', '/etc/settings/x', '$(PLAIN)'],
        env,
        envFrom: [{ prefix: 'ALL_', configMapRef: { name: 'settings' } }],
        volumeMounts: [{ name: 'settings', mountPath: '/etc/settings' }],
      },
      { volumes: [{ name: 'settings', configMap: { name: 'settings' } }] },
    );
    await eventually('the pod succeeds', async () => (await status('env')).phase === 'Succeeded');
    const reported = JSON.parse((await main('env'))!.state.terminated!.message!);
    const { PLAIN, EXPANDED, SECRET, OPTIONAL, COLOUR, APP, IP, ALL_colour } = reported.env;
    assert.deepEqual(
      { PLAIN, EXPANDED, SECRET, OPTIONAL, COLOUR, APP, IP, ALL_colour },
      {
        PLAIN: 'a',
        EXPANDED: 'ab',
        SECRET: '42',
        OPTIONAL: undefined,
        COLOUR: 'green',
        APP: 'env',
        IP: (await status('env')).podIP,
        ALL_colour: 'green',
      },
    );
    assert.equal(reported.file, 'a = 1');
    assert.match(reported.args[1], /volumes\/settings\/x$/);
    assert.equal(reported.args[2], 'a');
  });

  it('waits for a missing Secret, and starts the container within 2 seconds of its creation', async () => {
    await run('wants-secret', {
      args: ['serve'],
      env: [{ name: 'FILES', valueFrom: { secretKeyRef: { name: 'late', key: 'files' } } }],
    });
    await eventually('the container is waiting', async () =>
      Boolean((await main('wants-secret'))?.state.waiting),
    );
    assert.deepEqual((await main('wants-secret'))?.state.waiting, {
      reason: 'CreateContainerConfigError',
      message: 'secret "late" not found',
    });
    await sandbox.parts.kubectl.run([
      'create',
      'secret',
      'generic',
      'late',
      '-n',
      NAMESPACE,
      '--from-literal=files=/x',
    ]);
    await eventually(
      'the container runs',
      async () => Boolean((await main('wants-secret'))?.state.running),
      2_000,
    );
  });

  it('waits for a missing image', async () => {
    await run('wants-image', {
      image: 'example.com/chameleon:2',
      args: ['serve'],
      env: [{ name: 'FILES', value: '/x' }],
    });
    await eventually(
      'the image pull backs off',
      async () => (await main('wants-image'))?.state.waiting?.reason === 'ImagePullBackOff',
    );
    cpSync(imageFolder, join(imageFolder, '..', '2'), { recursive: true });
    await eventually(
      'the container runs',
      async () => Boolean((await main('wants-image'))?.state.running),
      2_000,
    );
  });

  it('sets readiness and restarts containers according to probes', async () => {
    const files = join(imageFolder, 'files');
    mkdirSync(files, { recursive: true });
    const probe = (path: string) => ({
      httpGet: { path, port: 'http' },
      periodSeconds: 1,
      failureThreshold: 1,
    });
    await run(
      'probed',
      {
        args: ['serve'],
        env: [{ name: 'FILES', value: files }],
        ports: [{ name: 'http', containerPort: 8080 }],
        startupProbe: { ...probe('/started'), failureThreshold: 30 },
        readinessProbe: probe('/not-ready'),
        livenessProbe: probe('/dead'),
      },
      { restartPolicy: 'Always' },
    );
    await eventually('the pod is ready', () => isReady('probed'));
    writeFileSync(join(files, 'not-ready'), '');
    await eventually('the pod is not ready', async () => !(await isReady('probed')));
    assert.equal((await main('probed'))?.restartCount, 0);
    writeFileSync(join(files, 'dead'), '');
    await eventually(
      'the container is restarted',
      async () => ((await main('probed'))?.restartCount ?? 0) >= 1,
    );
    assert.equal((await main('probed'))?.lastState.terminated?.reason, 'Completed');
  });

  it('backs off in a crash loop, and stores the termination message', async () => {
    await run(
      'crashing',
      { args: ['exit', '7'], terminationMessagePolicy: 'FallbackToLogsOnError' },
      { restartPolicy: 'Always' },
    );
    await eventually(
      'the container is in CrashLoopBackOff',
      async () => (await main('crashing'))?.state.waiting?.reason === 'CrashLoopBackOff',
    );
    const { lastState, state, restartCount } = (await main('crashing'))!;
    assert.equal(lastState.terminated?.exitCode, 7);
    assert.equal(lastState.terminated?.message, 'last line of the log\n');
    assert.match(
      state.waiting?.message ?? '',
      /^back-off \d+s restarting failed container=main pod=crashing$/,
    );
    assert.ok(restartCount >= 1, 'the first restart is immediate');
    assert.equal((await status('crashing')).phase, 'Running');
  });

  it('serves the log of a running container, its tail, and a stream until the container exits', async () => {
    const end = join(imageFolder, 'end');
    await run('talk', { args: ['count', end] });
    await eventually('the container runs', async () => (await main('talk'))?.state.running !== undefined);
    const { kubectl } = sandbox.parts;
    const logs = (...flags: string[]) => kubectl.run(['logs', 'talk', '-n', NAMESPACE, ...flags]);
    await eventually('the log has five lines', async () => (await logs()).split('\n').length > 5);
    const following = logs('-f');
    writeFileSync(end, '');
    const lines = (await following).trim().split('\n');
    assert.ok(lines.length > 5);
    assert.deepEqual(
      lines,
      lines.map((_, index) => `line ${index + 1}`),
    );
    // Not while it runs: a line that is written during the request follows the tail, as with a kubelet.
    assert.deepEqual((await logs('--tail=2')).trim().split('\n'), lines.slice(-2));
    assert.equal((await logs('--tail=1')).trim(), lines.at(-1));
    await assert.rejects(logs('--previous'), /NotFound/);
  });

  it('runs init containers first', async () => {
    const init = (name: string, exitCode: string) => ({
      name,
      image: 'chameleon:1',
      args: ['exit', exitCode],
    });
    await run('init-ok', { args: ['exit', '0'] }, { initContainers: [init('a', '0'), init('b', '0')] });
    await run('init-fails', { args: ['exit', '0'] }, { initContainers: [init('a', '3'), init('b', '0')] });
    await eventually('init-ok succeeds', async () => (await status('init-ok')).phase === 'Succeeded');
    await eventually('init-fails fails', async () => (await status('init-fails')).phase === 'Failed');
    assert.equal((await main('init-fails'))?.state.waiting?.reason, 'PodInitializing');
  });

  it('deletes a pod gracefully: preStop, SIGTERM, and SIGKILL after the grace period', async () => {
    const touched = join(imageFolder, 'pre-stop-ran');
    await run('polite', {
      args: ['serve'],
      env: [{ name: 'FILES', value: '/x' }],
      lifecycle: { preStop: { exec: { command: ['node', './main.cjs', 'touch', touched] } } },
    });
    await run('stubborn', { args: ['stubborn'], env: [{ name: 'FILES', value: '/x' }] });
    for (const name of ['polite', 'stubborn'])
      await eventually(`${name} runs`, async () => Boolean((await main(name))?.state.running));
    // Wait until the program handles signals. It has no readiness probe.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const timed = async (name: string, grace: number) => {
      const startedAt = performance.now();
      await sandbox.parts.kubectl.run(['delete', 'pod', name, '-n', NAMESPACE, `--grace-period=${grace}`]);
      return performance.now() - startedAt;
    };
    const [polite, stubborn] = await Promise.all([timed('polite', 20), timed('stubborn', 2)]);
    assert.ok(polite > 500 && polite < 5_000, `polite took ${polite} ms`);
    assert.ok(stubborn > 2_000 && stubborn < 6_000, `stubborn took ${stubborn} ms`);
    await eventually('the preStop hook has run', () => existsSync(touched));
  });

  it('reports exit codes to the podFailurePolicy of a Job', async () => {
    await sandbox.parts.client.create(JobKind, {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'refused', namespace: NAMESPACE },
      spec: {
        backoffLimit: 5,
        podFailurePolicy: {
          rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [78] } }],
        },
        template: {
          spec: {
            restartPolicy: 'Never',
            containers: [{ name: 'main', image: 'chameleon:1', args: ['exit', '78'] }],
          },
        },
      },
    });
    const failed = async () => {
      const { status } = await sandbox.parts.client.get(JobKind, NAMESPACE, 'refused');
      const { conditions = [] } = status as { conditions?: { type: string; reason: string }[] };
      return conditions.find(({ type }) => type === 'Failed')?.reason;
    };
    await eventually('the Job fails', async () => (await failed()) !== undefined);
    assert.equal(await failed(), 'PodFailurePolicy');
  });
});
