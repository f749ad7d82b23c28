/** Images from both Dockerfiles, built by buildah, as archives that nodes import. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Progress } from '../../../sandbox/process/go-build.js';
import { type BaseImages, baseImages } from './base-images.js';
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
  emptyFolder(folder);
  progress('building base images with buildah');
  const base = await baseImages(folder, envoyProgram);
  progress('building Dockerfile.operator');
  const operator: ImageBuild = { base, folder, image: OPERATOR, file: 'Dockerfile.operator' };
  const first = await build(operator);
  const versions = await buildVersions(base, folder, progress);
  progress('building both images again, without cached layers');
  const builds: Images['builds'] = {
    [operator.file]: [first, await buildAgain(operator)],
    'Dockerfile.api': [versions.id, await buildAgain(firstVersion(base, folder))],
  };
  progress('writing image archives');
  const { busybox, envoy } = base;
  const archives = await writeArchives([busybox, envoy, OPERATOR, ...versions.images], folder);
  return { busybox, envoy, archives, builds };
}

export function emptyFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
}

interface ImageBuild {
  base: BaseImages;
  folder: string;
  image: string;
  file: string;
  buildArgs?: string[];
}

/** Builds the images of VERSIONS_UNDER_TEST. Returns their names, and the ID of the first one. */
export async function buildVersions(
  base: BaseImages,
  folder: string,
  progress: Progress,
): Promise<{ images: string[]; id: string }> {
  progress('building Dockerfile.api');
  const [{ version: first }, ...others] = VERSIONS_UNDER_TEST;
  const id = await build(firstVersion(base, folder));
  for (const version of others) {
    const context = derive(join(folder, version.version), imageOf(first), version);
    await buildah(['bud', '--layers', `--tag=${imageOf(version.version)}`, context], folder);
  }
  return { images: VERSIONS_UNDER_TEST.map(({ version }) => imageOf(version)), id };
}

function firstVersion(base: BaseImages, folder: string): ImageBuild {
  const [{ version }] = VERSIONS_UNDER_TEST;
  const buildArgs = [`--build-arg=VERSION=${version}`];
  return { base, folder, image: imageOf(version), file: 'Dockerfile.api', buildArgs };
}

/** Writes an archive per image. Returns their paths. */
export async function writeArchives(images: readonly string[], folder: string): Promise<string[]> {
  const archives: string[] = [];
  for (const image of images) {
    const archive = join(folder, `${basename(image).replace(':', '-')}.tar`);
    await buildah(['push', '--quiet', image, `docker-archive:${archive}:${image}`], folder);
    archives.push(archive);
  }
  return archives;
}

function buildAgain(image: ImageBuild): Promise<string> {
  return build({ ...image, image: `${image.image}-again` }, '--no-cache');
}

/** Builds an image and returns its ID. Every file has the same time, as in a release (.github/workflows). */
async function build(
  { base, folder, image, file, buildArgs = [] }: ImageBuild,
  ...options: string[]
): Promise<string> {
  const id = join(folder, 'id');
  const args = [
    ...[
      'bud',
      '--layers',
      ...options,
      `--tag=${image}`,
      `--file=${file}`,
      '--timestamp=0',
      `--iidfile=${id}`,
    ],
    ...[`--build-arg=BUILD_IMAGE=${base.build}`, `--build-arg=RUNTIME_IMAGE=${base.runtime}`],
    // `npm ci` needs the network of this machine.
    ...['--network=host', '--isolation=chroot', ...npmSettings(folder)],
    ...buildArgs,
    '.',
  ];
  await buildah(args, folder);
  return readFileSync(id, 'utf8');
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
