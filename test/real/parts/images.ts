/**
 * Images from both Dockerfiles, built by buildah. No container registry is needed: the two base
 * images are made of this machine's Node.js and the libraries it links to.
 */
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { cacheFolder } from '../../../sandbox/process/cache-folder.js';
import type { Progress } from '../../../sandbox/process/go-build.js';
import { VERSIONS_UNDER_TEST } from './versions-under-test.js';

export interface Images {
  /** An image with busybox, also that of the pause containers. */
  busybox: string;
  envoy: string;
  operator: string;
  /** Archives to import into each node, by image. */
  archives: Record<string, string>;
}

export const imageOf = (version: string) => `registry.example.com/pcf-api:${version}`;
const BUSYBOX = 'registry.example.com/busybox:1';
const ENVOY = 'registry.example.com/envoy:1';
const OPERATOR = 'registry.example.com/pcf-operator:0.1.0';
const BUILD_BASE = 'localhost/node-build';
const RUNTIME_BASE = 'localhost/node-runtime';
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/** Builds all images and writes them to archives in `folder`. */
export async function buildImages(folder: string, envoy: string, progress: Progress): Promise<Images> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const build = (image: string, context: string, ...args: string[]) =>
    buildah(['bud', '--layers', '--tag', image, ...args, context], folder);

  progress('building base images with buildah');
  await build(RUNTIME_BASE, rootFileSystem(join(folder, 'runtime'), addNode));
  await build(BUILD_BASE, rootFileSystem(join(folder, 'build'), addNode, addBusybox, addNpm));
  await build(BUSYBOX, rootFileSystem(join(folder, 'busybox'), addBusybox));
  await build(
    ENVOY,
    rootFileSystem(join(folder, 'envoy'), addBusybox, (root) => addProgram(root, envoy)),
  );

  const bases = ['--build-arg', `BUILD_IMAGE=${BUILD_BASE}`, '--build-arg', `RUNTIME_IMAGE=${RUNTIME_BASE}`];
  const ours = [...bases, '--network=host', '--isolation=chroot', ...npmSettings(folder)];
  progress('building the operator from Dockerfile.operator');
  await build(OPERATOR, '.', '--file=Dockerfile.operator', ...ours);
  progress('building the API from Dockerfile.api');
  const [first, ...others] = VERSIONS_UNDER_TEST;
  await build(
    imageOf(first.version),
    '.',
    '--file=Dockerfile.api',
    ...ours,
    '--build-arg',
    `VERSION=${first.version}`,
  );
  for (const { version, files, entrypoint } of others) {
    const context = join(folder, version);
    mkdirSync(context);
    for (const file of Object.values(files)) copyFileSync(file, join(context, file.split('/').at(-1)!));
    const copies = Object.entries(files).map(([to, file]) => `COPY ${file.split('/').at(-1)} ${to}`);
    const start = entrypoint ? [`ENTRYPOINT ${JSON.stringify(['node', entrypoint])}`] : [];
    const lines = [`FROM ${imageOf(first.version)}`, `ENV PCF_VERSION=${version}`, ...copies, ...start];
    writeFileSync(join(context, 'Dockerfile'), `${lines.join('\n')}\n`);
    await build(imageOf(version), context);
  }

  const images = [BUSYBOX, ENVOY, OPERATOR, ...VERSIONS_UNDER_TEST.map(({ version }) => imageOf(version))];
  const archives: Record<string, string> = {};
  for (const image of images) {
    const archive = join(folder, `${image.split('/').at(-1)!.replace(':', '-')}.tar`);
    await buildah(['push', '--quiet', image, `docker-archive:${archive}:${image}`], folder);
    archives[image] = archive;
  }
  return { busybox: BUSYBOX, envoy: ENVOY, operator: OPERATOR, archives };
}

/** A folder with a Dockerfile that makes an image of the files that `parts` add. */
function rootFileSystem(context: string, ...parts: ((root: string) => void)[]): string {
  const root = join(context, 'root');
  mkdirSync(join(root, 'etc/ssl/certs'), { recursive: true });
  mkdirSync(join(root, 'tmp'), { recursive: true, mode: 0o1777 });
  mkdirSync(join(root, 'root'));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nnonroot:x:65532:65532::/:/bin/false\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnonroot:x:65532:\n');
  if (existsSync(CERTIFICATES)) copyFileSync(CERTIFICATES, join(root, CERTIFICATES));
  for (const part of parts) part(root);
  writeFileSync(
    join(context, 'Dockerfile'),
    'FROM scratch\nCOPY root /\nENV PATH=/nodejs/bin:/usr/bin:/bin\nENTRYPOINT ["/bin/sleep", "2147483647"]\n',
  );
  return context;
}

function addNode(root: string): void {
  addProgram(root, process.execPath, 'nodejs/bin');
}

function addBusybox(root: string): void {
  const program = addProgram(root, 'busybox');
  const applets = execFileSync(program, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  for (const applet of applets.filter((name) => name !== 'busybox' && name !== 'find'))
    execFileSync('ln', ['-sf', '/bin/busybox', join(root, 'bin', applet)]);
  // Debian's busybox has a find without -delete.
  addProgram(root, 'find');
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  execFileSync('ln', ['-sf', '/bin/env', join(root, 'usr/bin/env')]);
}

/** npm of this machine: Node.js needs no other file of it. */
function addNpm(root: string): void {
  const cli = realpathSync(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim());
  const folder = join(root, 'usr/lib/node_modules/npm');
  cpSync(dirname(dirname(cli)), folder, { recursive: true });
  execFileSync('ln', ['-sf', '/usr/lib/node_modules/npm/bin/npm-cli.js', join(root, 'nodejs/bin/npm')]);
}

/** Copies a program with the libraries that it links to. Returns its new path. */
function addProgram(root: string, name: string, folder = 'bin'): string {
  const program = name.includes('/') ? name : execFileSync('which', [name], { encoding: 'utf8' }).trim();
  const target = join(root, folder, program.split('/').at(-1)!);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(program, target);
  for (const library of librariesOf(program)) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    copyFileSync(library, join(root, library));
  }
  return target;
}

function librariesOf(program: string): string[] {
  try {
    const lines = execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return [...lines.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!);
  } catch {
    return []; // statically linked
  }
}

/** The user's npm settings, and the cache of downloads, for `npm ci` in the build. */
function npmSettings(folder: string): string[] {
  const setting = (name: string) => execFileSync('npm', ['config', 'get', name], { encoding: 'utf8' }).trim();
  const user = setting('userconfig');
  const empty = join(folder, 'npmrc');
  writeFileSync(empty, '');
  const cache = setting('cache');
  mkdirSync(cache, { recursive: true });
  return [`--volume=${existsSync(user) ? user : empty}:/root/.npmrc:ro`, `--volume=${cache}:/root/.npm:rw`];
}

async function buildah(args: string[], folder: string): Promise<void> {
  const storage = resolve(cacheFolder(), 'buildah');
  const options = [
    `--root=${join(storage, 'root')}`,
    `--runroot=${join(storage, 'run')}`,
    '--storage-driver=overlay',
  ];
  const env = { ...process.env, TMPDIR: resolve(folder) };
  const child = spawn('buildah', [...options, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4_000);
    });
  const code = await new Promise((done, failed) => child.once('error', failed).once('close', done));
  if (code !== 0) throw new Error(`buildah ${args[0]}: ${output}`);
}
