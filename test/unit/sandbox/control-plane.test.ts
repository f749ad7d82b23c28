import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '../../../sandbox/control-plane/build.js';
import { verified } from '../../../sandbox/control-plane/download.js';
import { PROGRAMS } from '../../../sandbox/control-plane/programs.js';
import { resolveControlPlane, type Source } from '../../../sandbox/control-plane/resolve.js';
import { BuildReport } from '../../../sandbox/process/go-build.js';
import { VERSIONS } from '../../../sandbox/versions.js';

describe('resolveControlPlane', () => {
  let root: string;
  let env: NodeJS.ProcessEnv;
  const silent = () => {};

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pcf-resolve-'));
    env = { XDG_CACHE_HOME: join(root, 'cache') };
  });

  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function put(folder: string, programs: readonly string[] = PROGRAMS): void {
    mkdirSync(folder, { recursive: true });
    for (const program of programs) writeFileSync(join(folder, program), '', { mode: 0o755 });
  }

  const workingSource = (name: string): Source => ({ name, obtain: async (folder) => put(folder) });
  const failingSource = (name: string): Source => ({
    name,
    obtain: () => Promise.reject(new Error(`no ${name} today`)),
  });

  it('uses KUBEBUILDER_ASSETS first, and no source when it is complete', async () => {
    const assets = join(root, 'assets');
    put(assets);
    const found = await resolveControlPlane(silent, { ...env, KUBEBUILDER_ASSETS: assets }, []);
    assert.deepEqual(
      Object.values(found),
      PROGRAMS.map((program) => join(assets, program)),
    );
  });

  it('obtains only the programs that KUBEBUILDER_ASSETS lacks', async () => {
    const assets = join(root, 'assets');
    put(assets, ['etcd', 'kube-apiserver', 'kubectl']);
    const found = await resolveControlPlane(silent, { ...env, KUBEBUILDER_ASSETS: assets }, [
      workingSource('release'),
    ]);
    assert.equal(found.etcd, join(assets, 'etcd'));
    assert.ok(found['kube-scheduler'].startsWith(join(root, 'cache')));
  });

  it('uses the cache for programs that it obtained before', async () => {
    const first = await resolveControlPlane(silent, env, [workingSource('release')]);
    assert.deepEqual(await resolveControlPlane(silent, env, []), first);
  });

  it('tries the next source when one fails', async () => {
    const found = await resolveControlPlane(silent, env, [failingSource('release'), workingSource('build')]);
    assert.ok(found.etcd.startsWith(join(root, 'cache')));
  });

  it('reports the error of every source, and the remedy', async () => {
    await assert.rejects(
      resolveControlPlane(silent, env, [failingSource('release'), failingSource('build')]),
      /release: no release today\n {2}build: no build today\nInstall Go .* or set KUBEBUILDER_ASSETS/,
    );
  });

  it('ignores a file that is not executable', async () => {
    const assets = join(root, 'assets');
    put(assets);
    chmodSync(join(assets, 'etcd'), 0o644);
    await assert.rejects(resolveControlPlane(silent, { ...env, KUBEBUILDER_ASSETS: assets }, []));
  });
});

describe('control plane programs', () => {
  it('are rejected when the checksum differs from the published one', () => {
    const sum = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824';
    assert.equal(verified('x', Buffer.from('hello'), sum).toString(), 'hello');
    assert.throws(
      () => verified('x', Buffer.from('hullo'), sum),
      /checksum of x is [0-9a-f]{64}, not 2cf24d/,
    );
  });

  it('have the versions that go.mod pins', () => {
    const text = readFileSync('sandbox/control-plane/go.mod', 'utf8');
    assert.ok(text.includes(`k8s.io/kubernetes ${VERSIONS.kubernetes}\n`));
    assert.ok(text.includes(`go.etcd.io/etcd/server/v3 ${VERSIONS.etcd}\n`));
  });

  it('are built by Go in one call, and once for concurrent callers', async () => {
    const root = mkdtempSync(join(tmpdir(), 'pcf-build-'));
    const { PATH } = process.env;
    // Replaces the real go, which takes 8 minutes.
    const go =
      '#!/bin/sh\necho go ran >> "$0.log"\nwhile [ "$1" != -o ]; do shift; done\nsleep 0.1; echo built > "$2"';
    writeFileSync(join(root, 'go'), go, { mode: 0o755 });
    process.env.PATH = `${root}:${PATH}`;
    try {
      const folder = join(root, 'cache', 'v1');
      await Promise.all([build(folder, () => {}), build(folder, () => {})]);
      for (const program of PROGRAMS) assert.equal(readFileSync(join(folder, program), 'utf8'), 'built\n');
      assert.equal(readFileSync(join(root, 'go.log'), 'utf8'), 'go ran\n');
      assert.deepEqual(readdirSync(join(root, 'cache')), ['v1'], 'no temporary files remain');
    } finally {
      process.env.PATH = PATH;
      rmSync(root, { recursive: true, force: true });
    }
  });

  it('BuildReport derives the progress of a build from the output of go', () => {
    const messages: string[] = [];
    const report = new BuildReport({ what: 'building', packages: 2_000 }, (message) =>
      messages.push(message),
    );
    report.read('go: downloading k8s.io/api v0.37.2');
    assert.match(report.line(), /: 1 modules downloaded, 0 s$/);
    for (const line of ['internal/goarch', 'errors', 'k8s.io/api/core/v1', '# command-line-arguments: x'])
      report.read(line);
    assert.match(report.line(), /: 0 % \(3 of \d+ packages, 0 s\)$/);
    report.end();
    assert.equal(messages.length, 1);
  });
});
