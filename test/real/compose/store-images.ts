/**
 * Images with the names of the official ones in compose.yaml, made of this machine's redis-server and of
 * PostgreSQL's programs. They have the users, paths, variables and volumes that compose.yaml relies on.
 */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { buildah } from '../parts/buildah.js';
import { addLibraries, addProgram } from '../parts/program-files.js';

export const POSTGRES_IMAGE = 'docker.io/library/postgres:18-alpine';
export const REDIS_IMAGE = 'docker.io/library/redis:8-alpine';
const PREFIX = '/usr/local';

/** Builds both on an image with busybox. `archive` has PostgreSQL's programs. */
export async function buildStoreImages(folder: string, busybox: string, archive: string): Promise<void> {
  await buildImage(join(folder, 'postgres'), POSTGRES_IMAGE, (root) => addPostgres(root, archive), [
    `FROM ${busybox}`,
    'COPY root /',
    ...addUser('postgres', 70, 70),
    'RUN mkdir -p /var/lib/postgresql /run/postgresql && chown postgres:postgres /var/lib/postgresql',
    // A tmpfs has the mode of the folder in the image.
    'RUN chmod 1777 /tmp && chmod 3777 /run/postgresql',
    `ENV PATH=${PREFIX}/bin:/usr/bin:/bin LANG=C PGHOST=/run/postgresql`,
    // The module of the WAL receiver has no path to libpq.
    `ENV LD_LIBRARY_PATH=${PREFIX}/lib`,
    'VOLUME /var/lib/postgresql',
    'STOPSIGNAL SIGINT',
    'EXPOSE 5432',
    'ENTRYPOINT ["/entrypoint.sh"]',
    'CMD ["postgres"]',
  ]);
  await buildImage(join(folder, 'redis'), REDIS_IMAGE, addRedis, [
    `FROM ${busybox}`,
    'COPY root /',
    ...addUser('redis', 999, 1000),
    'RUN mkdir /data && chown redis:redis /data',
    'VOLUME /data',
    'WORKDIR /data',
    'EXPOSE 6379',
    // The base image has an entrypoint of its own.
    'ENTRYPOINT ["/usr/bin/env"]',
    'CMD ["redis-server"]',
  ]);
}

export function addUser(name: string, uid: number, gid: number): string[] {
  return [
    `RUN echo '${name}:x:${uid}:${gid}::/:/bin/sh' >> /etc/passwd`,
    `RUN echo '${name}:x:${gid}:' >> /etc/group`,
  ];
}

export async function buildImage(
  folder: string,
  image: string,
  add: (root: string) => void,
  lines: string[],
): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'root'), { recursive: true });
  add(join(folder, 'root'));
  addShell(join(folder, 'root'));
  writeFileSync(join(folder, 'Dockerfile'), `${lines.join('\n')}\n`);
  await buildah(['bud', '--layers', '--isolation=chroot', `--tag=${image}`, folder], folder);
}

/** busybox has the name of a shell only in the official images. */
function addShell(root: string): void {
  mkdirSync(join(root, 'bin'), { recursive: true });
  symlinkSync('/bin/busybox', join(root, 'bin/sh'));
}

function addPostgres(root: string, archive: string): void {
  const prefix = join(root, PREFIX);
  mkdirSync(prefix, { recursive: true });
  execFileSync('tar', ['-xzf', archive, '--strip-components=1', '-C', prefix]);
  const isForeign = (path: string) => !path.includes(PREFIX);
  for (const name of readdirSync(join(prefix, 'bin')))
    addLibraries(root, join(prefix, 'bin', name), isForeign);
  // The shell of busybox prefers its own setpriv, which cannot change the user: the script uses the path.
  addProgram(root, 'setpriv', 'usr/bin');
  const settings = "listen_addresses = '*'\nunix_socket_directories = '/run/postgresql'\n";
  appendFileSync(join(prefix, 'share/postgresql.conf.sample'), settings);
  cpSync('/usr/share/zoneinfo', join(root, 'usr/share/zoneinfo'), { recursive: true });
  copyFileSync('test/real/compose/postgres-image/entrypoint.sh', join(root, 'entrypoint.sh'));
}

function addRedis(root: string): void {
  addProgram(root, 'redis-server');
  addProgram(root, 'redis-cli');
}
