import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { krewManifest } from '../../../scripts/krew-manifest.js';
import { writePluginPackage } from '../../../scripts/plugin-package.js';

describe('npm package of kubectl pcf', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pcf-plugin-'));
  const archive = join(folder, 'archive');
  before(() => {
    mkdirSync(archive);
    writePluginPackage('acme/pcf-operator', '1.2.3', archive);
    symlinkSync(resolve('node_modules'), join(archive, 'node_modules'));
    copyFileSync('scripts/kubectl-pcf.sh', join(archive, 'kubectl-pcf'));
    symlinkSync(process.execPath, join(archive, 'node'));
    // As Krew installs it.
    symlinkSync(join(archive, 'kubectl-pcf'), join(folder, 'kubectl-pcf'));
  });
  after(() => rmSync(folder, { recursive: true }));

  /** Runs the entry point of the archive, which needs no Node.js on the PATH. */
  const pcf = (...args: string[]) =>
    execFileSync(join(folder, 'kubectl-pcf'), args, {
      env: { PATH: '/usr/bin:/bin' },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });

  it('has the version of the release, and only the dependencies that its bundle lacks, with exact versions', () => {
    const { version, repository, dependencies } = JSON.parse(
      readFileSync(join(archive, 'package.json'), 'utf8'),
    ) as {
      version: string;
      repository: { url: string };
      dependencies: Record<string, string>;
    };
    assert.equal(version, '1.2.3');
    assert.equal(repository.url, 'git+https://github.com/acme/pcf-operator.git');
    for (const exact of Object.values(dependencies)) assert.match(exact, /^\d+\.\d+\.\d+/);
    assert.deepEqual(Object.keys(dependencies).sort(), ['libpg-query', 'uplot']);
  });

  it('has all files that its commands read', () => {
    assert.match(pcf('render', '-f', resolve('deploy/samples/minimal.yaml')), /^kind: Deployment$/m);
    assert.match(pcf('dashboard', '--help'), /Usage/);
    assert.deepEqual(
      readdirSync(join(archive, 'operator/dashboard/page')),
      readdirSync('operator/dashboard/page'),
    );
  });

  it('lints SQL and migration modules', () => {
    const file = join(folder, 'lock.sql');
    writeFileSync(file, 'ALTER TABLE services ADD COLUMN note text;');
    const [module] = globSync('dist/api-server/migrations/versions/*.js').sort();
    pcf('migrate', 'lint', '-f', file, resolve(module!));
    writeFileSync(file, 'CREATE INDEX i ON services (name);');
    assert.throws(
      () => pcf('migrate', 'lint', '-f', file),
      ({ stdout }: { stdout: string }) => /CONCURRENTLY/.test(stdout),
    );
  });
});

describe('krewManifest', () => {
  const sum = 'a'.repeat(64);
  const checksums = `${sum}  kubectl-pcf_1.2.3_linux_amd64.tar.gz\n${sum}  pcf-operator.yaml\n${sum}  kubectl-pcf_1.2.3_darwin_arm64.tar.gz\n`;

  it('has a platform for each archive, with its address and checksum', () => {
    const { spec } = parse(krewManifest('acme/pcf-operator', '1.2.3', checksums)) as {
      spec: { version: string; platforms: { selector: object; uri: string; sha256: string }[] };
    };
    assert.equal(spec.version, 'v1.2.3');
    assert.deepEqual(
      spec.platforms.map(({ selector }) => selector),
      [{ matchLabels: { os: 'linux', arch: 'amd64' } }, { matchLabels: { os: 'darwin', arch: 'arm64' } }],
    );
    assert.equal(
      spec.platforms[0]!.uri,
      'https://github.com/acme/pcf-operator/releases/download/v1.2.3/kubectl-pcf_1.2.3_linux_amd64.tar.gz',
    );
    assert.equal(spec.platforms[0]!.sha256, sum);
  });

  it('rejects checksums without an archive', () => {
    assert.throws(() => krewManifest('acme/pcf-operator', '1.2.3', `${sum}  other.yaml`), /no archive/);
  });
});
