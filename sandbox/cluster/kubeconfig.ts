import { writeFileSync } from 'node:fs';
import { stringify } from 'yaml';

export interface KubeconfigInput {
  server: string;
  /** In PEM format. */
  ca: string;
  token: string;
  user: string;
}

/** Writes a kubeconfig that only its owner can read. */
export function writeKubeconfig(path: string, { server, ca, token, user }: KubeconfigInput): void {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'sandbox',
        cluster: { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') },
      },
    ],
    users: [{ name: user, user: { token } }],
    contexts: [{ name: 'sandbox', context: { cluster: 'sandbox', user } }],
    'current-context': 'sandbox',
  };
  writeFileSync(path, stringify(config), { mode: 0o600 });
}
