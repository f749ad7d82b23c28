import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expand, fieldOf } from '../../../sandbox/node/environment.js';
import { imagePath } from '../../../sandbox/node/image.js';
import { type ContainerView, podStatus } from '../../../sandbox/node/pod-status.js';
import { exitCodeOf, terminationMessage } from '../../../sandbox/node/termination-message.js';
import type { Pod } from '../../../sandbox/node/types.js';
import { translate } from '../../../sandbox/node/volumes.js';

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'n', uid: 'u', generation: 3, labels: { 'a/b': 'c' } },
  spec: { containers: [{ name: 'main', image: 'i' }] },
} satisfies Pod;

describe('process node', () => {
  it('imagePath removes the registry of an image, and accepts a tag or a digest', () => {
    assert.equal(imagePath('registry.example.com/pcf-api:1.4.0'), join('pcf-api', '1.4.0'));
    assert.equal(imagePath('localhost:5000/team/pcf-api'), join('team/pcf-api', 'latest'));
    assert.equal(imagePath('pcf-api@sha256:abc'), join('pcf-api', 'abc'));
    assert.equal(imagePath('example.com/pcf-api:1.4.0@sha256:abc'), join('pcf-api', 'abc'));
    for (const bad of ['', '../../etc:1', ':1'])
      assert.throws(() => imagePath(bad), /not the name of an image/);
  });

  it('expand replaces variables as Kubernetes does', () => {
    const env = { A: '1' };
    assert.equal(expand('$(A) $(B) $$(A) $A', env), '1 $(B) $(A) $A');
  });

  it('translate maps container paths to local paths, with the longest match first', () => {
    const paths = new Map([
      ['/etc/pcf', '/local/a'],
      ['/etc/pcf/config', '/local/b'],
    ]);
    assert.equal(translate('/etc/pcf/config/x.toml', paths), '/local/b/x.toml');
    assert.equal(translate('/etc/pcf', paths), '/local/a');
    assert.equal(translate('/etc/pcfx', paths), '/etc/pcfx');
  });

  it('fieldOf returns the fields of the downward API', () => {
    assert.equal(fieldOf(pod, "metadata.labels['a/b']", ''), 'c');
    assert.equal(fieldOf(pod, 'metadata.labels', ''), 'a/b="c"');
    assert.equal(fieldOf(pod, 'status.podIP', '10.88.0.1'), '10.88.0.1');
  });

  it('exitCodeOf returns the exit codes of signals', () => {
    assert.equal(exitCodeOf({ code: 78, signal: null }), 78);
    assert.equal(exitCodeOf({ code: null, signal: 'SIGKILL' }), 137);
    assert.equal(exitCodeOf({ code: null, signal: 'SIGSEGV' }), 139);
  });

  it('terminationMessage returns at most the last 4096 bytes, in whole characters', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pcf-words-'));
    const files = { terminationLog: join(folder, 'message'), log: join(folder, 'log') };
    writeFileSync(files.terminationLog, `begin${'é'.repeat(3_000)}!`);
    writeFileSync(files.log, Array.from({ length: 100 }, (_, line) => `line ${line}\n`).join(''));
    const message = terminationMessage({ ...files, fallBackToLog: true });
    assert.equal(message, `${'é'.repeat(2_047)}!`);
    writeFileSync(files.terminationLog, '');
    assert.equal(terminationMessage({ ...files, fallBackToLog: false }), '');
    assert.equal(terminationMessage({ ...files, fallBackToLog: true }).split('\n')[0], 'line 21');
    rmSync(folder, { recursive: true });
  });

  describe('podStatus', () => {
    const container = (over: Partial<ContainerView>): ContainerView => ({
      container: { name: 'main', image: 'i' },
      state: { running: { startedAt: 't' } },
      lastState: {},
      restartCount: 0,
      ready: false,
      started: true,
      ...over,
    });
    const ended = (exitCode: number) =>
      container({ state: { terminated: { exitCode, reason: 'x', startedAt: 't', finishedAt: 't' } } });
    const status = (containers: ContainerView[], over = {}, previous = {}) =>
      podStatus(
        { pod, podIp: 'ip', startTime: 't', initContainers: [], containers, ended: false, ...over },
        Object.entries(previous).map(([type, lastTransitionTime]) => ({
          type,
          status: 'False' as const,
          lastTransitionTime: String(lastTransitionTime),
        })),
        'now',
      );
    const condition = (of: ReturnType<typeof status>, type: string) =>
      of.conditions.find((one) => one.type === type);

    it('derives the phase from the containers', () => {
      assert.equal(status([container({ state: { waiting: { reason: 'x' } } })]).phase, 'Pending');
      assert.equal(status([container({})]).phase, 'Running');
      assert.equal(status([ended(1)]).phase, 'Running', 'the container may restart');
      assert.equal(status([ended(1)], { ended: true }).phase, 'Failed');
      assert.equal(status([ended(0)], { ended: true }).phase, 'Succeeded');
    });

    it('keeps lastTransitionTime of unchanged conditions, and lists containers that are not ready', () => {
      const before = { Ready: 'earlier', ContainersReady: 'earlier' };
      const unready = condition(status([container({})], {}, before), 'Ready');
      assert.deepEqual(unready, {
        type: 'Ready',
        status: 'False',
        reason: 'ContainersNotReady',
        message: 'containers with unready status: [main]',
        observedGeneration: 3,
        lastTransitionTime: 'earlier',
      });
      const ready = condition(status([container({ ready: true })], {}, before), 'Ready');
      assert.deepEqual([ready?.status, ready?.lastTransitionTime], ['True', 'now']);
    });

    it('is Pending while init containers run, and Failed when one failed', () => {
      const waiting = container({ state: { waiting: { reason: 'PodInitializing' } }, started: false });
      const running = status([waiting], { initContainers: [container({})] });
      assert.equal(running.phase, 'Pending');
      assert.equal(condition(running, 'Initialized')?.status, 'False');
      assert.equal(status([waiting], { initContainers: [ended(1)], ended: true }).phase, 'Failed');
    });
  });
});
