/**
 * Background jobs at a constant rate: each recorded deployment is one message to a webhook, which a worker delivers.
 * Its receiver counts them.
 */
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient } from '../api-client.js';
import { freePorts } from '../process/ports.js';

const PAUSE_MS = 25;
/** Duration of a delivery: with shorter ones, one worker can process all messages of a second. */
const RESPONSE_MS = 20;

type Client = Pick<ApiClient, 'ask'>;

export class WebhookJobs {
  /** Deliveries by ID of the message. */
  readonly #received = new Map<string, number>();
  readonly #stopping = new AbortController();
  readonly #server = createServer(async (request, response) => {
    await sleep(RESPONSE_MS);
    const id = String(request.headers['webhook-id']);
    this.#received.set(id, (this.#received.get(id) ?? 0) + 1);
    response.writeHead(204).end();
  });
  #recorded = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(private readonly client: Client) {}

  /** Creates a service, and a webhook for its deployments. */
  async start(): Promise<void> {
    const port = (await freePorts(1))[0]!;
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    const { createService } = await this.client.ask<{ createService: { id: string } }>(
      'mutation { createService(input: { name: "jobs" }) { id } }',
    );
    const serviceId = createService.id;
    const webhook = { url: `http://127.0.0.1:${port}`, events: ['DEPLOYMENT_RECORDED'], serviceId };
    await this.client.ask(
      'mutation Create($input: CreateWebhookInput!) { createWebhook(input: $input) { webhook { id } } }',
      { input: webhook },
    );
    this.#running = this.#record(serviceId);
    this.#running.catch(() => undefined); // `finish` rejects with it
  }

  /** Stops recording. Resolves with the numbers of messages when all have arrived, or after the timeout. */
  async finish(timeoutMs: number): Promise<{ recorded: number; lost: number; repeated: number }> {
    this.#stopping.abort();
    await this.#running;
    const deadline = performance.now() + timeoutMs;
    while (this.#received.size < this.#recorded && performance.now() < deadline) await sleep(50);
    const repeated = [...this.#received.values()].filter((times) => times > 1).length;
    return { recorded: this.#recorded, lost: this.#recorded - this.#received.size, repeated };
  }

  /** Stops recording, and the receiver. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#running.catch(() => undefined);
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #record(serviceId: string): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const idempotencyKey = `job-${this.#recorded}`;
      const input = { serviceId, environment: 'jobs', version: '1.0.0', idempotencyKey };
      await this.client.ask(
        'mutation Record($input: RecordDeploymentInput!) { recordDeployment(input: $input) { id } }',
        { input },
      );
      this.#recorded += 1;
      await sleep(PAUSE_MS);
    }
  }
}
