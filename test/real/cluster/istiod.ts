/** istiod as a process. Envoys reach it at the address of the host. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { stringify } from 'yaml';
import type { Kubectl } from '../../../sandbox/kubectl.js';
import { ManagedProcess, untilReady } from '../../../sandbox/process/managed-process.js';
import { HOST_ADDRESS } from './network.js';
import type { RealCluster } from './real-cluster.js';

export const ISTIO_NAMESPACE = 'istio-system';
/** Discovery with TLS: the certificates of a Gateway are sent to an authenticated Envoy only. */
export const XDS = { address: HOST_ADDRESS, port: 15_012 };
const HTTP_PORT = 15_080;

export async function startIstiod(real: RealCluster): Promise<ManagedProcess> {
  const folder = join(real.stateDir, 'istiod');
  mkdirSync(folder, { recursive: true });
  const meshConfig = join(folder, 'mesh.yaml');
  writeFileSync(meshConfig, stringify(MESH));
  await createNamespace(real.kubectl);
  const istiod = new ManagedProcess(
    {
      name: 'istiod',
      command: real.programs.istiod,
      args: [
        'discovery',
        `--kubeconfig=${real.cluster.kubeconfigPath}`,
        `--meshConfig=${meshConfig}`,
        `--httpAddr=${HOST_ADDRESS}:${HTTP_PORT}`,
        `--grpcAddr=`,
        `--secureGRPCAddr=${HOST_ADDRESS}:${XDS.port}`,
      ],
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        POD_NAME: 'istiod',
        POD_NAMESPACE: ISTIO_NAMESPACE,
        // Extensions that only Istio's own build of Envoy has.
        PILOT_ENABLE_ALPN_FILTER: 'false',
        PILOT_ENABLE_METADATA_EXCHANGE: 'false',
        // There are no webhooks: the objects are checked by the schemas of the CRDs.
        VALIDATION_WEBHOOK_CONFIG_NAME: '',
        INJECTION_WEBHOOK_CONFIG_NAME: '',
      },
      logFile: join(real.stateDir, 'logs', 'istiod.log'),
    },
    real.ledger,
  );
  istiod.start();
  await untilReady('istiod', istiod, async () => {
    const { statusCode, body } = await request(`http://${HOST_ADDRESS}:${HTTP_PORT}/ready`);
    await body.dump();
    return statusCode === 200;
  });
  return istiod;
}

async function createNamespace(kubectl: Kubectl): Promise<void> {
  await kubectl.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: ISTIO_NAMESPACE } }]);
}

const MESH = {
  rootNamespace: ISTIO_NAMESPACE,
  trustDomain: 'cluster.local',
  // The telemetry filters are extensions of Istio's build of Envoy.
  defaultProviders: {},
  enableAutoMtls: false,
  defaultConfig: { discoveryAddress: `istiod.${ISTIO_NAMESPACE}.svc:${XDS.port}` },
};
