/** Connections to the API server with the kubeconfig's credentials, which may change under us. */
import type { KubeConfig } from '@kubernetes/client-node';
import { Agent } from 'undici';

/** Tokens and certificates may be files that are rotated. Kubernetes does so well before they expire. */
const CREDENTIALS_TTL_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;

export interface Connection {
  agent: Agent;
  authorization?: string;
  origin: string;
  /** Of an API server behind a path; empty for most. */
  basePath: string;
}

/** What client-node's applyToHTTPSOptions fills in. */
interface TlsOptions {
  headers?: Record<string, string>;
  ca?: string | Buffer;
  cert?: string | Buffer;
  key?: string | Buffer;
  servername?: string;
  auth?: string;
}

/** One undici Agent for all requests, made again when the certificates changed. */
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
    // A credential helper that failed is asked again by the next request.
    opening.catch(() => {
      if (this.current === opening) this.current = undefined;
    });
    return opening;
  }

  /** The credentials were refused: read them again before the next request. */
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
    // Waits for the requests under way: watches end by themselves within ten minutes.
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
