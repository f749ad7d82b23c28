/** The cluster that all scenarios share. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { startIngressGateway } from './cluster/ingress-gateway.js';
import { installCrds, installOperator } from './cluster/install.js';
import { startIstiod } from './cluster/istiod.js';
import { RealCluster } from './cluster/real-cluster.js';
import type { Target } from './load.js';
import { readParts, STATE_DIR } from './parts/parts-file.js';

let starting: Promise<RealCluster> | undefined;

export function sharedCluster(): Promise<RealCluster> {
  starting ??= start();
  return starting;
}

let installed: Promise<RealCluster> | undefined;

/** The cluster, with the operator installed from its manifests. */
export function sharedOperator(): Promise<RealCluster> {
  installed ??= install();
  return installed;
}

async function install(): Promise<RealCluster> {
  const real = await sharedCluster();
  await installCrds(real);
  await installOperator(real);
  return real;
}

let gateway: Promise<string> | undefined;

/** Address of the ingress gateway, `http://address`. istiod and Envoy are started with the first call. */
export function sharedGateway(): Promise<string> {
  gateway ??= startGateway();
  return gateway;
}

async function startGateway(): Promise<string> {
  const real = await sharedOperator();
  await startIstiod(real);
  return `http://${await startIngressGateway(real)}`;
}

async function start(): Promise<RealCluster> {
  // The kubelet needs mounts that its containers can see.
  execFileSync('mount', ['--make-rshared', '/']);
  // Network namespaces of pods are files there, which would outlive the scenarios' mounts.
  mkdirSync('/run/netns', { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', '/run/netns']);
  const { programs, images } = readParts();
  return await RealCluster.start(STATE_DIR, programs, images);
}

/** Target of in-cluster callers: the Service, by way of kube-proxy. There is no DNS. */
export async function serviceAddress(real: RealCluster, namespace: string, name: string): Promise<Target> {
  const path = ['-o', 'jsonpath={.spec.clusterIP}:{.spec.ports[0].port}'];
  return { url: `http://${await real.kubectl.run(['get', 'service', name, '-n', namespace, ...path])}` };
}
