/** Converts a container to a local command: image, environment, volumes, ports. */
import { join } from 'node:path';
import type { ActionTarget } from './actions.js';
import { environment, expand } from './environment.js';
import { entrypointOf, type Image, imageCommand } from './image.js';
import { type ReferenceSource, References } from './references.js';
import type { Container, Pod } from './types.js';
import { mountVolumes, translate } from './volumes.js';

export interface LaunchContext {
  references: ReferenceSource;
  podIp: string;
  podFolder: string;
  /** Local port of each container port. */
  ports: ReadonlyMap<number, number>;
  /** Local file of the termination message path. */
  terminationLog: string;
}

/** A command, and how probes and hooks access it. */
export interface Launch extends ActionTarget {
  command: string;
  args: string[];
}

/** Throws MissingReference if a Secret, ConfigMap or key does not exist (yet). */
export async function launchOf(
  pod: Pod,
  container: Container,
  image: Image,
  { references: source, podIp, podFolder, ports, terminationLog }: LaunchContext,
): Promise<Launch> {
  const references = new References(source, pod.metadata.namespace ?? 'default');
  const mounts = await mountVolumes(pod, container, podFolder, references, podIp);
  const paths = new Map([
    ...mounts,
    [container.terminationMessagePath ?? '/dev/termination-log', terminationLog],
  ]);
  const declared = await environment(pod, container, references, podIp);
  const words = (list: readonly string[]) => list.map((word) => translate(expand(word, declared), paths));
  const local = Object.entries(image.portEnv).flatMap(([port, name]) => {
    const localPort = ports.get(Number(port));
    return localPort ? [[name, String(localPort)] as const] : [];
  });
  const env = {
    PATH: process.env.PATH,
    HOME: podFolder,
    HOSTNAME: pod.metadata.name,
    ...image.env,
    ...Object.fromEntries(Object.entries(declared).map(([name, value]) => [name, translate(value, paths)])),
    ...Object.fromEntries(local),
  };
  const [command, ...args] = [
    ...(container.command ? imageCommand(image, words(container.command)) : entrypointOf(image)),
    ...words(container.args ?? []),
  ];
  return {
    command: command!,
    args,
    env,
    cwd: image.root,
    localCommand: (words_) => imageCommand(image, words(words_)),
    localPort: (port) => ports.get(numberOf(port, container)),
  };
}

function numberOf(port: number | string, container: Container): number {
  if (typeof port === 'number') return port;
  return container.ports?.find(({ name }) => name === port)?.containerPort ?? Number(port);
}

/** Log file of one run of a container. */
export function logFileOf(podFolder: string, container: string, restartCount: number): string {
  return join(podFolder, container, `${restartCount}.log`);
}
