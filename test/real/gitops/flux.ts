/** Flux: its source-controller and kustomize-controller, as processes. */
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { customResourceDefinitions } from '../../../sandbox/crds.js';
import { ManagedProcess, untilReady } from '../../../sandbox/process/managed-process.js';
import { freePorts } from '../../../sandbox/process/ports.js';
import type { AuditedCluster } from '../../support/cluster/audited-cluster.js';
import { answersOk } from './http.js';
import { readGitOpsParts } from './parts.js';

export const FLUX_NAMESPACE = 'flux-system';

export async function startFlux({ sandbox }: AuditedCluster): Promise<void> {
  const { kubectl, cluster } = sandbox.parts;
  const crds = [
    ...(await customResourceDefinitions('fluxSource')),
    ...(await customResourceDefinitions('fluxKustomize')),
  ];
  await kubectl.apply(crds, '--server-side');
  await sandbox.established();
  await kubectl.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: FLUX_NAMESPACE } }]);
  const home = resolve(sandbox.stateDir, 'flux');
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  const env = {
    ...{ PATH: process.env.PATH, HOME: home, TMPDIR: home, KUBECONFIG: cluster.kubeconfigPath },
    ...{ RUNTIME_NAMESPACE: FLUX_NAMESPACE, TUF_ROOT: home },
  };
  const [storage, ...health] = (await freePorts(3)) as [number, number, number];
  const start = async (name: string, port: number, args: string[] = []) => {
    const command = join(readGitOpsParts().flux, name);
    const logFile = join(sandbox.stateDir, 'logs', `${name}.log`);
    const addresses = ['--metrics-addr=0', `--health-addr=127.0.0.1:${port}`, '--events-addr='];
    const program = new ManagedProcess(
      { name, command, args: [...addresses, '--log-encoding=console', ...args], env, logFile, cwd: home },
      sandbox.ledger,
    );
    program.start();
    sandbox.onStop(() => program.stop(2_000));
    await untilReady(name, program, () => answersOk(`http://127.0.0.1:${port}/readyz`), 120_000);
  };
  const address = `127.0.0.1:${storage}`;
  await start('source-controller', health[0], [
    ...[`--storage-path=${home}`, `--storage-addr=${address}`, `--storage-adv-addr=${address}`],
  ]);
  await start('kustomize-controller', health[1]);
}
