/** Passes programs and images of the scenarios on Docker to the process that runs them. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Progress } from '../../../sandbox/process/go-build.js';
import { baseImages } from '../parts/base-images.js';
import { buildVersions, emptyFolder, writeArchives } from '../parts/images.js';
import { envoy } from '../parts/programs.js';
import { buildFrontImages, ENVOY_IMAGE, PROMETHEUS_IMAGE } from './front-images.js';
import { type DockerPrograms, resolveDockerPrograms } from './programs.js';
import { buildStoreImages, POSTGRES_IMAGE, REDIS_IMAGE } from './store-images.js';

/** Separate from the folder of the cluster, which is emptied when a cluster starts. */
export const DOCKER_STATE_DIR = '.sandbox/real-docker';
/** Folder of the daemon. */
export const RUN_DIR = join(DOCKER_STATE_DIR, 'run');
const FILE = join(DOCKER_STATE_DIR, 'parts.json');

export interface DockerParts {
  programs: DockerPrograms;
  /** Archives for `docker load`. */
  archives: string[];
}

/** Builds what is missing. */
export async function buildDockerParts(progress: Progress): Promise<void> {
  const programs = await resolveDockerPrograms(progress);
  const folder = join(DOCKER_STATE_DIR, 'images');
  emptyFolder(folder);
  progress('building images for Docker with buildah');
  const base = await baseImages(folder, envoy());
  const versions = await buildVersions(base, folder, progress);
  await buildStoreImages(folder, base.busybox, programs.postgres);
  await buildFrontImages(folder, base);
  const others = [POSTGRES_IMAGE, REDIS_IMAGE, ENVOY_IMAGE, PROMETHEUS_IMAGE];
  const archives = await writeArchives([...others, ...versions.images], folder);
  writeFileSync(FILE, JSON.stringify({ programs, archives } satisfies DockerParts));
}

export function readDockerParts(): DockerParts {
  return JSON.parse(readFileSync(FILE, 'utf8')) as DockerParts;
}

export function removeDockerFiles(): void {
  rmSync(RUN_DIR, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
