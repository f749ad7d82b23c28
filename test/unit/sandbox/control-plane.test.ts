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

describe('the control plane resolver', () => {
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

  const gives = (name: string): Source => ({ name, obtain: async (folder) => put(folder) });
  const fails = (name: string): Source => ({
    name,
    obtain: () => Promise.reject(new Error(`no ${name} today`)),
  });

  it('takes KUBEBUILDER_ASSETS first, and asks nobody when it has everything', async () => {
    const assets = join(root, 'assets');
    put(assets);
    const found = await resolveControlPlane(silent, { ...env, KUBEBUILDER_ASSETS: assets }, []);
    assert.deepEqual(
      Object.values(found),
      PROGRAMS.map((program) => join(assets, program)),
    );
  });

  it('takes from elsewhere only what KUBEBUILDER_ASSETS lacks', async () => {
    const assets = join(root, 'assets');
    put(assets, ['etcd', 'kube-apiserver', 'kubectl']);
    const found = await resolveControlPlane(silent, { ...env, KUBEBUILDER_ASSETS: assets }, [
      gives('release'),
    ]);
    assert.equal(found.etcd, join(assets, 'etcd'));
    assert.ok(found['kube-scheduler'].startsWith(join(root, 'cache')));
  });

  it('finds in the cache what it obtained before', async () => {
    const first = await resolveControlPlane(silent, env, [gives('release')]);
    assert.deepEqual(await resolveControlPlane(silent, env, []), first);
  });

  it('tries the next source when one fails', async () => {
    const found = await resolveControlPlane(silent, env, [fails('release'), gives('build')]);
    assert.ok(found.etcd.startsWith(join(root, 'cache')));
  });

  it('says of every source why it failed, and what to do', async () => {
    await assert.rejects(
      resolveControlPlane(silent, env, [fails('release'), fails('build')]),
      /release: no release today\n {2}build: no build today\nInstall Go .* or set KUBEBUILDER_ASSETS/,
    );
  });

  it('does not take a file that is not executable for a program', async () => {
    const assets = join(root, 'assets');
    put(assets);
    chmodSync(join(assets, 'etcd'), 0o644);
    await assert.rejects(resolveControlPlane(silent, { ...env, KUBEBUILDER_ASSETS: assets }, []));
  });
});

describe('what the resolver obtains', () => {
  it('is refused when its checksum is not the published one', () => {
    const sum = '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824';
    assert.equal(verified('x', Buffer.from('hello'), sum).toString(), 'hello');
    assert.throws(
      () => verified('x', Buffer.from('hullo'), sum),
      /checksum of x is [0-9a-f]{64}, not 2cf24d/,
    );
  });

  it('has the versions that go.mod pins', () => {
    const text = readFileSync('sandbox/control-plane/go.mod', 'utf8');
    assert.ok(text.includes(`k8s.io/kubernetes ${VERSIONS.kubernetes}\n`));
    assert.ok(text.includes(`go.etcd.io/etcd/server/v3 ${VERSIONS.etcd}\n`));
  });

  it('is built by go, all programs in one, once however many ask', async () => {
    const root = mkdtempSync(join(tmpdir(), 'pcf-build-'));
    const { PATH } = process.env;
    // Stands in for the real one, which takes eight minutes.
    const go =
      '#!/bin/sh\necho go ran >> "$0.log"\nwhile [ "$1" != -o ]; do shift; done\nsleep 0.1; echo built > "$2"';
    writeFileSync(join(root, 'go'), go, { mode: 0o755 });
    process.env.PATH = `${root}:${PATH}`;
    try {
      const folder = join(root, 'cache', 'v1');
      await Promise.all([build(folder, () => {}), build(folder, () => {})]);
      for (const program of PROGRAMS) assert.equal(readFileSync(join(folder, program), 'utf8'), 'built\n');
      assert.equal(readFileSync(join(root, 'go.log'), 'utf8'), 'go ran\n');
      assert.deepEqual(readdirSync(join(root, 'cache')), ['v1'], 'no scraps are left');
    } finally {
      process.env.PATH = PATH;
      rmSync(root, { recursive: true, force: true });
    }
  });

  it('tells how far a build is from what go prints', () => {
    const said: string[] = [];
    const report = new BuildReport({ what: 'building', packages: 2_000 }, (message) => said.push(message));
    report.read('go: downloading k8s.io/api v0.37.2');
    assert.match(report.line(), /: 1 modules downloaded, 0 s$/);
    for (const line of ['internal/goarch', 'errors', 'k8s.io/api/core/v1', '# command-line-arguments: x'])
      report.read(line);
    assert.match(report.line(), /: 0 % \(3 of \d+ packages, 0 s\)$/);
    report.end();
    assert.equal(said.length, 1);
  });
});
