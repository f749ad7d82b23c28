/** Images from both Dockerfiles, built by buildah, as archives that nodes import. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Progress } from '../../../sandbox/process/go-build.js';
import { baseImages } from './base-images.js';
import { buildah } from './buildah.js';
import { VERSIONS_UNDER_TEST, type VersionUnderTest } from './versions-under-test.js';

export interface Images {
  /** Also the image of the pause containers. */
  busybox: string;
  envoy: string;
  /** Archives to import into each node. */
  archives: string[];
  /** Per Dockerfile, the IDs of the images of two separate builds. An ID is a digest of all layers and settings. */
  builds: Record<string, [first: string, second: string]>;
}

export const imageOf = (version: string) => `registry.example.com/pcf-api:${version}`;
/** The image reference in the manifests. */
const OPERATOR = 'registry.example.com/pcf-operator:0.1.0';

export async function buildImages(folder: string, envoyProgram: string, progress: Progress): Promise<Images> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  progress('building base images with buildah');
  const { build, runtime, busybox, envoy } = await baseImages(folder, envoyProgram);
  /** Builds an image and returns its ID. Every file has the same time, as in a release (.github/workflows). */
  const fromDockerfile = async (image: string, file: string, ...args: string[]) => {
    const id = join(folder, 'id');
    await buildah(
      [
        ...['bud', `--tag=${image}`, `--file=${file}`, '--timestamp=0', `--iidfile=${id}`],
        ...[`--build-arg=BUILD_IMAGE=${build}`, `--build-arg=RUNTIME_IMAGE=${runtime}`],
        // `npm ci` needs the network of this machine.
        ...['--network=host', '--isolation=chroot', ...npmSettings(folder)],
        ...args,
        '.',
      ],
      folder,
    );
    return readFileSync(id, 'utf8');
  };
  const twice = async (image: string, file: string, ...args: string[]): Promise<[string, string]> => {
    progress(`building ${file}`);
    const first = await fromDockerfile(image, file, '--layers', ...args);
    progress(`building ${file} again, without the cached layers`);
    return [first, await fromDockerfile(`${image}-again`, file, '--no-cache', ...args)];
  };
  const [{ version: first }, ...others] = VERSIONS_UNDER_TEST;
  const builds: Images['builds'] = {
    'Dockerfile.operator': await twice(OPERATOR, 'Dockerfile.operator'),
    'Dockerfile.api': await twice(imageOf(first), 'Dockerfile.api', `--build-arg=VERSION=${first}`),
  };
  for (const version of others) {
    const context = derive(join(folder, version.version), imageOf(first), version);
    await buildah(['bud', '--layers', `--tag=${imageOf(version.version)}`, context], folder);
  }
  progress('writing image archives');
  const archives: string[] = [];
  for (const image of [busybox, envoy, OPERATOR, ...VERSIONS_UNDER_TEST.map((one) => imageOf(one.version))]) {
    const archive = join(folder, `${basename(image).replace(':', '-')}.tar`);
    await buildah(['push', '--quiet', image, `docker-archive:${archive}:${image}`], folder);
    archives.push(archive);
  }
  return { busybox, envoy, archives, builds };
}

/** Writes the build context of a version that has further files. */
function derive(folder: string, from: string, { version, files, entrypoint }: VersionUnderTest): string {
  mkdirSync(folder);
  for (const file of Object.values(files)) copyFileSync(file, join(folder, basename(file)));
  const copies = Object.entries(files).map(([to, file]) => `COPY ${basename(file)} ${to}`);
  const start = entrypoint ? [`ENTRYPOINT ${JSON.stringify(['node', entrypoint])}`] : [];
  const lines = [`FROM ${from}`, `ENV PCF_VERSION=${version}`, ...copies, ...start];
  writeFileSync(join(folder, 'Dockerfile'), `${lines.join('\n')}\n`);
  return folder;
}

/** The user's npm settings and download cache, for `npm ci` in the build. */
function npmSettings(folder: string): string[] {
  const setting = (name: string) => execFileSync('npm', ['config', 'get', name], { encoding: 'utf8' }).trim();
  const empty = join(folder, 'npmrc');
  writeFileSync(empty, '');
  const user = setting('userconfig');
  const cache = setting('cache');
  mkdirSync(cache, { recursive: true });
  return [`--volume=${existsSync(user) ? user : empty}:/root/.npmrc:ro`, `--volume=${cache}:/root/.npm:rw`];
}
