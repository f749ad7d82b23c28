/** Argo CD: its repo server and its application controller, as processes with a Redis. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { customResourceDefinitions } from '../../../sandbox/crds.js';
import { ManagedProcess, untilReady } from '../../../sandbox/process/managed-process.js';
import { freePorts } from '../../../sandbox/process/ports.js';
import { startRedis } from '../../../sandbox/redis.js';
import type { AuditedCluster } from '../../support/cluster/audited-cluster.js';
import { answersOk } from './http.js';
import { readGitOpsParts } from './parts.js';

export const ARGO_NAMESPACE = 'argocd';

/** As Argo CD's installation creates them. */
const SETTINGS: object[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: ARGO_NAMESPACE } },
  ...['argocd-cm', 'argocd-rbac-cm'].map((name) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: ARGO_NAMESPACE, labels: { 'app.kubernetes.io/part-of': 'argocd' } },
    // A change of the status refreshes the Application only if it changes the health.
    data:
      name === 'argocd-cm'
        ? { 'resource.customizations.ignoreResourceUpdates.all': 'jsonPointers: [/status]' }
        : {},
  })),
  {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: 'argocd-secret',
      namespace: ARGO_NAMESPACE,
      labels: { 'app.kubernetes.io/part-of': 'argocd' },
    },
    stringData: { 'server.secretkey': 'not-used', 'admin.password': 'not-used' },
  },
];

const DEFAULT_PROJECT = {
  apiVersion: 'argoproj.io/v1alpha1',
  kind: 'AppProject',
  metadata: { name: 'default', namespace: ARGO_NAMESPACE },
  spec: {
    sourceRepos: ['*'],
    destinations: [{ namespace: '*', server: '*' }],
    clusterResourceWhitelist: [{ group: '*', kind: '*' }],
  },
};

/** Starts it, with the health check of deploy/argocd. */
export async function startArgoCd(cluster: AuditedCluster): Promise<void> {
  const { sandbox } = cluster;
  const { kubectl, cluster: controlPlane } = sandbox.parts;
  await kubectl.apply(await customResourceDefinitions('argoCd'), '--server-side');
  await sandbox.established();
  await kubectl.apply([...SETTINGS, DEFAULT_PROJECT], '--server-side');
  installHealthCheck(join(sandbox.commandsDir, 'kubectl'));
  const redis = await startRedis(sandbox);
  if (!redis) throw new Error('install the Debian package redis-server');
  sandbox.onStop(() => redis.stop());
  const home = resolve(sandbox.stateDir, 'argocd');
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  const env = {
    ...{ PATH: process.env.PATH, HOME: home, TMPDIR: home, KUBECONFIG: controlPlane.kubeconfigPath },
    // The address https://kubernetes.default.svc is this cluster.
    ARGOCD_FAKE_IN_CLUSTER: 'true',
    ...{ ARGOCD_GPG_ENABLED: 'false', ARGOCD_CONTROLLER_SHARD: '0' },
  };
  const [repoPort, repoMetrics, metrics] = (await freePorts(3)) as [number, number, number];
  const start = async (name: string, args: string[], port: number) => {
    const command = join(readGitOpsParts().argoCd, name);
    const logFile = join(sandbox.stateDir, 'logs', `${name}.log`);
    const program = new ManagedProcess({ name, command, args, env, logFile, cwd: home }, sandbox.ledger);
    program.start();
    sandbox.onStop(() => program.stop(2_000));
    await untilReady(name, program, () => answersOk(`http://127.0.0.1:${port}/healthz`), 120_000);
  };
  const shared = ['--redis', `127.0.0.1:${redis.port}`, '--logformat', 'text'];
  await start(
    'argocd-repo-server',
    [
      ...shared,
      ...['--disable-tls', '--address', '127.0.0.1', '--port', String(repoPort)],
      ...['--metrics-address', '127.0.0.1', '--metrics-port', String(repoMetrics)],
    ],
    repoMetrics,
  );
  await start(
    'argocd-application-controller',
    [
      ...shared,
      ...['--kubeconfig', controlPlane.kubeconfigPath, '--namespace', ARGO_NAMESPACE],
      ...['--repo-server', `127.0.0.1:${repoPort}`, '--repo-server-plaintext'],
      ...['--metrics-port', String(metrics), '--persist-resource-health'],
    ],
    metrics,
  );
}

/** The command of docs/ci-cd.md. */
function installHealthCheck(kubectl: string): void {
  const apply = `${kubectl} apply --server-side --field-manager=pcf-argocd -n ${ARGO_NAMESPACE} -f -`;
  execFileSync('/bin/sh', ['-ec', `${kubectl} kustomize deploy/argocd | ${apply}`], { stdio: 'ignore' });
}
