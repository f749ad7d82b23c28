/**
 * Base images of this machine's Node.js, busybox and Envoy with the libraries they link to: no
 * container registry is needed. They are built once, so that the layers of `npm ci` stay cached.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { buildah, hasImage } from './buildah.js';
import { addProgram } from './program-files.js';

export interface BaseImages {
  /** Node.js, npm and a shell: BUILD_IMAGE of the Dockerfiles. */
  build: string;
  /** Node.js alone: RUNTIME_IMAGE of the Dockerfiles. */
  runtime: string;
  busybox: string;
  envoy: string;
}

type Part = (root: string) => void;
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

export async function baseImages(folder: string, envoy: string): Promise<BaseImages> {
  const parts: Record<keyof BaseImages, Part[]> = {
    build: [addNode, addBusybox, addShell, addNpm],
    runtime: [addNode],
    busybox: [addBusybox],
    envoy: [addBusybox, (root) => addProgram(root, envoy)],
  };
  const tag = createHash('sha256')
    .update([process.version, envoy, readFileSync(import.meta.filename, 'utf8')].join('\n'))
    .digest('hex')
    .slice(0, 12);
  const images = {} as BaseImages;
  for (const [name, its] of Object.entries(parts) as [keyof BaseImages, Part[]][]) {
    const image = `registry.example.com/base-${name}:${tag}`;
    if (!(await hasImage(image, folder)))
      await buildah(['bud', '--tag', image, context(join(folder, name), its)], folder);
    images[name] = image;
  }
  return images;
}

/** A folder with a Dockerfile that makes an image of the files that `parts` add. */
function context(folder: string, parts: readonly Part[]): string {
  const root = join(folder, 'root');
  mkdirSync(join(root, 'etc/ssl/certs'), { recursive: true });
  mkdirSync(join(root, 'tmp'), { recursive: true, mode: 0o1777 });
  mkdirSync(join(root, 'root'));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nnonroot:x:65532:65532::/:/bin/false\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnonroot:x:65532:\n');
  if (existsSync(CERTIFICATES)) copyFileSync(CERTIFICATES, join(root, CERTIFICATES));
  for (const part of parts) part(root);
  const lines = ['FROM scratch', 'COPY root /', 'ENV PATH=/nodejs/bin:/usr/bin:/bin'];
  lines.push('ENTRYPOINT ["/bin/sleep", "2147483647"]');
  writeFileSync(join(folder, 'Dockerfile'), `${lines.join('\n')}\n`);
  return folder;
}

function addNode(root: string): void {
  addProgram(root, process.execPath, 'nodejs/bin');
}

function addBusybox(root: string): void {
  const program = addProgram(root, 'busybox');
  const applets = execFileSync(program, ['--list'], { encoding: 'utf8' }).trim().split('\n');
  const links = applets.filter((name) => !['busybox', 'sh', 'find'].includes(name));
  for (const name of [...links, '../usr/bin/env']) {
    mkdirSync(dirname(join(root, 'bin', name)), { recursive: true });
    execFileSync('ln', ['-sf', '/bin/busybox', join(root, 'bin', name)]);
  }
}

/** Debian's shell and find: the shell of busybox prefers its own find, which has no -delete. */
function addShell(root: string): void {
  addProgram(root, 'sh');
  addProgram(root, 'find');
}

function addNpm(root: string): void {
  const cli = realpathSync(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim());
  cpSync(dirname(dirname(cli)), join(root, 'usr/lib/node_modules/npm'), { recursive: true });
  execFileSync('ln', ['-sf', '/usr/lib/node_modules/npm/bin/npm-cli.js', join(root, 'nodejs/bin/npm')]);
}
