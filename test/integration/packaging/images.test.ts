import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, copyFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { imageDescriptionSchema, migrationReportSchema } from '../../../contract/image.js';
import { freePorts } from '../../../sandbox/process/ports.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';
import { DockerBuild, type Image } from '../../support/processes/docker-build.js';
import { sharedPostgres } from '../../support/servers/postgres.js';

interface Ended {
  code: number | null;
  output: string;
}

/** Runs a command like a container: with the image's user, environment and read-only files. */
function start(image: Image, command: string[], env: Record<string, string> = {}): ChildProcess {
  const path = image.env.PATH!.split(delimiter).map((folder) => join(image.root, folder));
  const [uid, gid] = image.user.split(':').map(Number);
  return spawn(command[0]!, command.slice(1), {
    cwd: join(image.root, image.workdir),
    env: { ...image.env, ...env, PATH: path.join(delimiter) },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(process.getuid?.() === 0 ? { uid, gid } : {}),
  });
}

async function run(image: Image, command: string[], env?: Record<string, string>): Promise<Ended> {
  const child = start(image, command, env);
  let output = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

const megabytes = (bytes: number) => Math.round(bytes / 1e6);

function filesOf(image: Image): string[] {
  const app = join(image.root, image.workdir);
  const names = readdirSync(app, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => statSync(join(app, name), { throwIfNoEntry: false })?.isFile());
}

describe('container images', () => {
  let docker: DockerBuild;
  const images: Record<string, Image> = {};
  const running: ChildProcess[] = [];

  before(async function () {
    this.timeout(5 * 60_000);
    docker = new DockerBuild();
    for (const name of ['api', 'operator']) {
      const image = docker.build(`Dockerfile.${name}`);
      execFileSync('chmod', ['-R', 'a+rX,a-w', image.root]);
      images[name] = image;
    }
    chmodSync(docker.folder, 0o755);
  });

  after(() => {
    for (const child of running) child.kill('SIGKILL');
    for (const image of Object.values(images)) execFileSync('chmod', ['-R', 'u+w', image.root]);
    docker?.remove();
  });

  for (const [name, limit] of [
    ['api', 55],
    ['operator', 8],
  ] as const) {
    it(`${name}: contains only the program and its dependencies, in at most ${limit} MB`, () => {
      const image = images[name]!;
      const app = join(image.root, image.workdir);
      const files = filesOf(image);
      assert.deepEqual(
        readdirSync(app).filter((entry) => !/^(LICENSE|package\.json|node_modules|dist)$/.test(entry)),
        name === 'api' ? ['api-server'] : ['operator'],
      );
      assert.deepEqual(readdirSync(join(app, 'dist')), [name === 'api' ? 'api-server' : 'operator']);
      const unwanted = files.filter((file) => /\.(map|d\.[cm]?ts)$|^dist\/.*\.(ts|tsbuildinfo)$/.test(file));
      assert.deepEqual(unwanted, []);
      const bytes = files.reduce((sum, file) => sum + statSync(join(app, file)).size, 0);
      assert.ok(bytes < limit * 1e6, `${megabytes(bytes)} MB`);
      console.log(`      ${name}: ${files.length} files, ${megabytes(bytes)} MB`);
    });

    it(`${name}: lists the packages of its bundle for scanners, with their licenses`, () => {
      const folder = join(
        images[name]!.root,
        images[name]!.workdir,
        'dist',
        name === 'api' ? 'api-server' : name,
      );
      const bill = JSON.parse(readFileSync(join(folder, 'sbom.cdx.json'), 'utf8')) as {
        bomFormat: string;
        components: { name: string; version: string; purl: string }[];
      };
      const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
        packages: Record<string, { version: string }>;
      };
      assert.equal(bill.bomFormat, 'CycloneDX');
      const licenses = readFileSync(join(folder, 'LICENSES.txt'), 'utf8');
      for (const expected of name === 'api' ? ['typeorm', '@apollo/server'] : ['@kubernetes/client-node']) {
        const found = bill.components.find((one) => one.name === expected);
        const { version } = packages[`node_modules/${expected}`]!;
        assert.equal(found?.purl, `pkg:npm/${expected.replace('@', '%40')}@${version}`);
        assert.ok(licenses.includes(`${expected} ${version}: `));
      }
    });

    it(`${name}: contains the pages of the operator only if the image serves them`, () => {
      const page = [
        ...['operator/dashboard/page/index.html', 'node_modules/uplot/dist/uPlot.esm.js'],
        'operator/approvals/page/index.html',
      ];
      const files = filesOf(images[name]!);
      for (const file of page) assert.equal(files.includes(file), name === 'operator', file);
    });

    it(`${name}: contains no devDependencies and no dependencies of the other image`, () => {
      const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
        packages: Record<string, { dev?: boolean }>;
      };
      const image = images[name]!;
      const has = (path: string) => existsSync(join(image.root, image.workdir, path));
      const development = Object.keys(packages).filter((path) => packages[path]!.dev);
      assert.ok(development.includes('node_modules/mocha'));
      assert.deepEqual(development.filter(has), []);
      for (const other of name === 'api' ? ['@kubernetes/client-node'] : ['typeorm', 'fastify', 'graphql'])
        assert.ok(!has(`node_modules/${other}`), `${other} is in the image`);
    });
  }

  it('api: migrates, serves, passes HEALTHCHECK, and exits on SIGTERM', async () => {
    const image = images.api!;
    const url = await (await sharedPostgres()).createDatabase();
    const [port, metricsPort] = await freePorts(2);
    const env = {
      PCF_API__DATABASE__URL: url,
      PCF_API__SERVER__PORT: String(port),
      PCF_API__METRICS__PORT: String(metricsPort),
      PCF_API__SHUTDOWN__DELAY: '0s',
    };
    const migrated = await run(image, [...image.entrypoint, 'migrate', 'up', '--json'], env);
    assert.equal(migrated.code, 0, migrated.output);
    const report = migrationReportSchema.parse(JSON.parse(migrated.output.trim().split('\n').at(-1)!));
    assert.equal(report.outcome, 'done');

    const server = start(image, [...image.entrypoint, ...image.command], env);
    running.push(server);
    const exit = once(server, 'exit');
    await eventually('the API is healthy', async () => (await run(image, image.healthcheck, env)).code === 0);
    // HEALTHCHECK checks liveness, which succeeds shortly before readiness.
    await eventually(
      'the API is ready',
      async () => (await fetch(`http://127.0.0.1:${port}/health/ready`)).status === 200,
    );
    server.kill('SIGTERM');
    assert.deepEqual(await exit, [0, null]);
    const dead = await run(image, image.healthcheck, env);
    assert.equal(dead.code, 1, 'a stopped server is not healthy');
  });

  it('api: describe reports the version of the image', async () => {
    const image = images.api!;
    const { code, output } = await run(image, [...image.entrypoint, 'describe', '--json'], {
      PCF_VERSION: '7.8.9',
    });
    assert.equal(code, 0, output);
    assert.equal(imageDescriptionSchema.parse(JSON.parse(output)).version, '7.8.9');
  });

  it("operator: runs with the operator's RBAC only, passes HEALTHCHECK, and exits on SIGTERM", async function () {
    this.timeout(START_TIMEOUT_MS);
    const image = images.operator!;
    const sandbox = await sharedSandbox();
    const kubeconfig = join(docker.folder, 'kubeconfig');
    copyFileSync(join(sandbox.stateDir, 'kubeconfig-operator'), kubeconfig);
    if (process.getuid?.() === 0) chownSync(kubeconfig, 65532, 65532);
    const [port] = await freePorts(1);
    const env = {
      KUBECONFIG: kubeconfig,
      PCF_PORT: String(port),
      PCF_NAMESPACE: await newTenant(sandbox, 'image'),
      PCF_NO_LEADER_ELECTION: 'true',
    };
    const operator = start(image, image.entrypoint, env);
    running.push(operator);
    const exit = once(operator, 'exit');
    await eventually(
      'the operator is ready',
      async () => (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.status === 200,
    );
    assert.equal((await run(image, image.healthcheck, env)).code, 0);
    operator.kill('SIGTERM');
    assert.deepEqual(await exit, [0, null]);
    assert.equal((await run(image, image.healthcheck, env)).code, 1);
  });
});
