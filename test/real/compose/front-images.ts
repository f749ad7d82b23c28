/** Images with the names of the official ones in compose.yaml, made of Envoy and this machine's Prometheus. */
import { join } from 'node:path';
import type { BaseImages } from '../parts/base-images.js';
import { addProgram } from '../parts/program-files.js';
import { addUser, buildImage } from './store-images.js';

export const ENVOY_IMAGE = 'docker.io/envoyproxy/envoy:v1.40.0';
export const PROMETHEUS_IMAGE = 'docker.io/prom/prometheus:v3.5.0';

export async function buildFrontImages(folder: string, { busybox, envoy }: BaseImages): Promise<void> {
  // The health check of compose.yaml is a script of bash.
  const addBash = (root: string) => void addProgram(root, 'bash');
  await buildImage(join(folder, 'envoy-gateway'), ENVOY_IMAGE, addBash, [
    `FROM ${envoy}`,
    'COPY root /',
    ...addUser('envoy', 101, 101),
    'ENV PATH=/usr/bin:/bin',
    'ENTRYPOINT ["/usr/bin/env"]',
  ]);
  await buildImage(
    join(folder, 'prometheus'),
    PROMETHEUS_IMAGE,
    (root) => void addProgram(root, 'prometheus'),
    [
      `FROM ${busybox}`,
      'COPY root /',
      ...addUser('prometheus', 65_534, 65_534),
      'RUN mkdir /prometheus && chown prometheus:prometheus /prometheus',
      'VOLUME /prometheus',
      'WORKDIR /prometheus',
      'ENV PATH=/bin',
      'ENTRYPOINT ["/bin/prometheus"]',
    ],
  );
}
