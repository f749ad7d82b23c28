/** A client of the API in the sandbox, through its gateway. */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import type { Sandbox } from './sandbox.js';
import { sandboxToken } from './tokens.js';

/** A host without a route: the gateway forwards it to the Service directly. */
const HOST = 'localhost';

export class ApiClient {
  readonly url: string;
  private readonly agent: Agent;
  private readonly token: Promise<string>;

  /** `service`: `namespace/name`. `client`: subject of its token, with the role ADMIN. */
  constructor({ gateway, gatewayPort, routing }: Sandbox, service: string, client: string) {
    routing.serviceHosts.set(HOST, service);
    this.url = `https://${HOST}:${gatewayPort}/graphql`;
    this.agent = new Agent({ connect: { ca: readFileSync(gateway.caPath, 'utf8') } });
    this.token = sandboxToken(client, 'ADMIN');
  }

  /** Throws with the messages of GraphQL errors. */
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
