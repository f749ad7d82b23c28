/** JWKS endpoint of an identity provider over real HTTP, and tokens signed with its keys. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';
import { claims } from '../fixtures/tokens.js';

interface ProviderKey {
  alg: 'RS256' | 'ES256';
  kid: string;
  publicKey: CryptoKey;
  privateKey: CryptoKey;
}

export const PROVIDER = 'https://provider.example.com';

export class KeyServer {
  /** Number of requests. */
  asked = 0;
  /** Responds with 500 while true. */
  broken = false;
  #keys: ProviderKey[] = [];
  readonly #server = createServer((_request, response) => {
    this.asked += 1;
    if (this.broken) return void response.writeHead(500).end();
    void this.#jwks().then((keys) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys })),
    );
  });

  static async start(): Promise<KeyServer> {
    const server = new KeyServer();
    await server.add('RS256', 'rsa-1');
    await server.add('ES256', 'ec-1');
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/jwks`;
  }

  async add(alg: ProviderKey['alg'], kid: string): Promise<void> {
    this.#keys.push({ alg, kid, ...(await generateKeyPair(alg)) });
  }

  /** Public key in PEM format. */
  async publicKey(kid: string): Promise<string> {
    return exportSPKI(this.#get(kid).publicKey);
  }

  async sign(kid: string, more: object = {}, header: object = {}): Promise<string> {
    const { alg, privateKey } = this.#get(kid);
    return new SignJWT({ ...claims(), iss: PROVIDER, ...more })
      .setProtectedHeader({ alg, kid, ...header })
      .sign(privateKey);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #get(kid: string): ProviderKey {
    const key = this.#keys.find((one) => one.kid === kid);
    if (!key) throw new Error(`key ${kid} does not exist`);
    return key;
  }

  async #jwks(): Promise<JWK[]> {
    return Promise.all(
      this.#keys.map(async ({ alg, kid, publicKey }) => ({ ...(await exportJWK(publicKey)), alg, kid })),
    );
  }
}
