/** Asks the API of the sandbox through its gateway, as a client does. */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import type { Sandbox } from './sandbox.js';
import { sandboxToken } from './tokens.js';

/** A host that no route has: the gateway leads it straight to the Service. */
const HOST = 'localhost';

export class ApiClient {
  readonly url: string;
  private readonly agent: Agent;
  private readonly token: Promise<string>;

  /** `service` is `namespace/name`, `client` the name it is let in by, as an administrator. */
  constructor({ gateway, gatewayPort, routing }: Sandbox, service: string, client: string) {
    routing.serviceHosts.set(HOST, service);
    this.url = `https://${HOST}:${gatewayPort}/graphql`;
    this.agent = new Agent({ connect: { ca: readFileSync(gateway.caPath, 'utf8') } });
    this.token = sandboxToken(client, 'ADMIN');
  }

  /** Throws with the messages of the errors, if there are any. */
  async ask<T>(query: string, variables: object = {}): Promise<T> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${await this.token}` };
    const body = JSON.stringify({ query, variables });
    const answer = await request(this.url, { method: 'POST', headers, body, dispatcher: this.agent });
    const { data, errors } = (await answer.body.json()) as { data?: T; errors?: { message: string }[] };
    if (!data || errors) throw new Error(`GraphQL: ${errors?.map(({ message }) => message).join('; ')}`);
    return data;
  }

  close(): Promise<void> {
    return this.agent.close();
  }
}
