/** Approval links: an operator that serves them, a webhook that receives them, and the requests of their page. */
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';
import { request } from 'undici';
import { freePorts } from '../process/ports.js';
import { within } from '../process/within.js';
import type { Sandbox } from '../sandbox.js';

const KEYS = 'story-approval-keys';
const WEBHOOK = 'story-approvers';

/** The state of a link after a request of the page. */
export interface LinkResponse {
  status: number;
  state: string;
  message?: string;
}

/** Flags of an operator that serves the page, and its URL. Creates the key of the links. */
export async function approvalFlags({ parts }: Sandbox): Promise<{ url: string; args: string[] }> {
  const metadata = { name: KEYS, namespace: 'pcf-system' };
  const stringData = { keys: randomBytes(48).toString('base64') };
  await parts.kubectl.apply([{ apiVersion: 'v1', kind: 'Secret', metadata, stringData }]);
  const [port] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const args = ['--approval-url', url, '--approval-port', String(port), '--approval-key-secret', KEYS];
  return { url, args };
}

export class Approvers {
  private readonly messages: string[] = [];
  private received = () => {};

  private constructor(
    private readonly server: Server,
    private readonly pageUrl: string,
  ) {
    server.on('request', async (message, response) => {
      this.messages.push((await message.toArray()).join(''));
      response.end('ok');
      this.received();
    });
  }

  /** Starts the webhook, and stores its URL in the namespace. `pageUrl`: of the page of approval links. */
  static async start(sandbox: Sandbox, namespace: string, pageUrl: string): Promise<Approvers> {
    const altNames = [{ type: 7 as const, ip: '127.0.0.1' }];
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'approvers' }], {
      keyType: 'ec',
      extensions: [
        { name: 'basicConstraints', cA: true },
        { name: 'subjectAltName', altNames },
      ],
    });
    const server = createServer({ cert, key });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const stringData = { url: `https://127.0.0.1:${port}/`, 'ca.crt': cert };
    const metadata = { name: WEBHOOK, namespace };
    await sandbox.parts.kubectl.apply([{ apiVersion: 'v1', kind: 'Secret', metadata, stringData }]);
    return new Approvers(server, pageUrl);
  }

  /** `spec.notifications` with links. */
  get notifications(): object {
    const secret = { name: WEBHOOK };
    const events = ['ApprovalRequested'];
    const webhook = { name: 'approvers', urlSecretRef: secret, tls: { caSecretRef: secret }, events };
    return { webhooks: [webhook], approvalLinks: { expiresAfter: '10m' } };
  }

  /** The token of the link to approve in the first message, which an approver clicks. */
  async token(): Promise<string> {
    const arrived = new Promise<void>((resolve) => {
      this.received = resolve;
    });
    if (this.messages.length === 0) await within('the webhook receives the approval links', arrived);
    const [, link] = /<([^|>]+)\|Approve>/.exec(this.messages[0]!) ?? [];
    if (!link?.startsWith(`${this.pageUrl}/#`)) throw new Error(`no link to approve in ${this.messages[0]}`);
    return link.split('#')[1]!;
  }

  /** Sends a request of the page. `look`: describes the link; `use`: its button. */
  async post(path: 'look' | 'use', token: string): Promise<LinkResponse> {
    const { statusCode: status, body } = await request(`${this.pageUrl}/${path}`, {
      method: 'POST',
      headers: { origin: this.pageUrl, 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    });
    return { status, ...((await body.json()) as Omit<LinkResponse, 'status'>) };
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
