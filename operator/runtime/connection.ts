/** Connections to the API server with the credentials of the kubeconfig, which can be rotated. */
import type { KubeConfig } from '@kubernetes/client-node';
import { Agent } from 'undici';

/** Reload interval of tokens and certificates in files. Kubernetes rotates them well before they expire. */
const CREDENTIALS_TTL_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;

export interface Connection {
  agent: Agent;
  authorization?: string;
  origin: string;
  /** Path prefix of the API server. Usually empty. */
  basePath: string;
}

/** Fields that applyToHTTPSOptions of client-node sets. */
interface TlsOptions {
  headers?: Record<string, string>;
  ca?: string | Buffer;
  cert?: string | Buffer;
  key?: string | Buffer;
  servername?: string;
  auth?: string;
}

/** One undici Agent for all requests. It is replaced when the certificates change. */
export class ApiConnection {
  private current: Promise<Connection> | undefined;
  private openedAt = 0;
  private agent: Agent | undefined;
  private fingerprint: string | undefined;

  constructor(private readonly kubeConfig: KubeConfig) {}

  get(): Promise<Connection> {
    const now = performance.now();
    if (this.current && now - this.openedAt < CREDENTIALS_TTL_MS) return this.current;
    this.openedAt = now;
    const opening = this.open();
    this.current = opening;
    // After a failure of a credential plugin the next request calls it again.
    opening.catch(() => {
      if (this.current === opening) this.current = undefined;
    });
    return opening;
  }

  /** Credentials were rejected: reads them again before the next request. */
  refresh(): void {
    this.current = undefined;
  }

  async close(): Promise<void> {
    await this.agent?.destroy();
  }

  private async open(): Promise<Connection> {
    const cluster = this.kubeConfig.getCurrentCluster();
    if (!cluster) throw new Error('the kubeconfig names no current cluster; set KUBECONFIG or a context');
    const tls: TlsOptions = {};
    await this.kubeConfig.applyToHTTPSOptions(tls);
    const basic = tls.auth ? `Basic ${Buffer.from(tls.auth).toString('base64')}` : undefined;
    const { origin, pathname } = new URL(cluster.server);
    return {
      agent: this.agentFor(tls, cluster.skipTLSVerify ?? false),
      authorization: tls.headers?.Authorization ?? basic,
      origin,
      basePath: pathname.replace(/\/$/, ''),
    };
  }

  private agentFor({ ca, cert, key, servername }: TlsOptions, skipTlsVerify: boolean): Agent {
    const fingerprint = [ca, cert, key].map((part) => part?.toString() ?? '').join('\n');
    if (this.agent && this.fingerprint === fingerprint) return this.agent;
    // Waits for requests in progress: watches end within ten minutes.
    void this.agent?.close();
    this.fingerprint = fingerprint;
    this.agent = new Agent({
      connect: {
        ca,
        cert,
        key,
        servername,
        rejectUnauthorized: !skipTlsVerify,
        timeout: CONNECT_TIMEOUT_MS,
        keepAlive: true,
      },
      keepAliveTimeout: 30_000,
      connections: null,
      allowH2: false,
    });
    return this.agent;
  }
}
