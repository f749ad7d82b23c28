/**
 * The PcfApi records its deliveries in the API that it runs. The recorded deployments are compared with the
 * status.
 */
import { readFileSync } from 'node:fs';
import { ApiClient } from '../api-client.js';
import type { Sandbox } from '../sandbox.js';
import type { PcfApiView } from './pcfapi-watch.js';

const KEY_SECRET = 'pcf-api-reporting';
const CA_SECRET = 'gateway-ca';
const MINUTE_MS = 60_000;

export interface DeliveryFigures {
  deployments: number;
  succeeded: number;
  failed: number;
  rolledBack: number;
  changeFailureRate: number | null;
}

export class Reporting {
  private readonly client: ApiClient;

  constructor(
    private readonly sandbox: Sandbox,
    private readonly namespace: string,
    service: string,
  ) {
    this.client = new ApiClient(sandbox, `${namespace}/${service}`, 'story');
  }

  /** `spec.reporting` with a new API key. */
  async spec(): Promise<object> {
    const { createApiKey } = await this.client.ask<{ createApiKey: { key: string } }>(
      `mutation { createApiKey(input: { name: "pcf-operator", role: OPERATOR, scopes: [READ, CATALOG, DEPLOYMENTS] }) { key } }`,
    );
    await this.putSecret(KEY_SECRET, { 'api-key': createApiKey.key });
    await this.putSecret(CA_SECRET, { 'ca.crt': readFileSync(this.sandbox.gateway.caPath, 'utf8') });
    return {
      url: this.client.url,
      apiKeySecretRef: { name: KEY_SECRET },
      tls: { caSecretRef: { name: CA_SECRET } },
    };
  }

  async figures(): Promise<DeliveryFigures> {
    const [from, to] = [-60, 1].map((minutes) => new Date(Date.now() + minutes * MINUTE_MS).toISOString());
    const { deliveryMetrics } = await this.client.ask<{ deliveryMetrics: { total: DeliveryFigures } }>(
      `{ deliveryMetrics(from: "${from}", to: "${to}", bucket: DAY) { total {
        deployments succeeded failed rolledBack changeFailureRate } } }`,
    );
    return deliveryMetrics.total;
  }

  close(): Promise<void> {
    return this.client.close();
  }

  private async putSecret(name: string, stringData: Record<string, string>): Promise<void> {
    const { namespace } = this;
    const object = { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, stringData };
    await this.sandbox.parts.kubectl.apply([object]);
  }
}

/** The same numbers from the status: deliveries that had traffic or failed. */
export function figuresOf({ status }: PcfApiView): Omit<DeliveryFigures, 'changeFailureRate'> {
  const recorded = (status?.history ?? []).filter(
    ({ outcome, firstTrafficAt }) => firstTrafficAt || !['Cancelled', 'Superseded'].includes(outcome),
  );
  const count = (...outcomes: string[]) =>
    recorded.filter(({ outcome }) => outcomes.includes(outcome)).length;
  return {
    deployments: recorded.length,
    succeeded: count('Promoted'),
    failed: count('Aborted', 'Superseded'),
    rolledBack: count('Undone', 'RolledBack'),
  };
}
