/**
 * Three months of deployments for the playground, recorded with the API as pipelines and users do.
 * Deterministic except for the last day; existing records are not created again.
 */
import type { ApiClient } from './api-client.js';

/** Sends GraphQL requests. */
export type Asks = Pick<ApiClient, 'ask'>;

const DAYS = 90;
const [MINUTE_MS, DAY_MS] = [60_000, 86_400_000];
/** Names, days between two deployments, and rate of failures (one in N). */
const SERVICES = [
  { name: 'shop', owner: 'storefront', everyDays: 1, failsOneIn: 9 },
  { name: 'checkout', owner: 'payments', everyDays: 2, failsOneIn: 14 },
  { name: 'search', owner: 'discovery', everyDays: 3, failsOneIn: 6 },
  { name: 'ledger', owner: 'payments', everyDays: 7, failsOneIn: 20 },
];
const ENVIRONMENTS = ['staging', 'production'];

interface SeedService {
  name: string;
  owner: string;
  everyDays: number;
  failsOneIn: number;
}

export interface Seeded {
  services: number;
  deployments: number;
  incidents: number;
}

export async function seed(client: Asks, now = Date.now()): Promise<Seeded> {
  const midnight = Math.floor(now / DAY_MS) * DAY_MS;
  const told = await Promise.all(SERVICES.map((service) => tellOf(client, service, midnight)));
  const sum = (key: 'deployments' | 'incidents') => told.reduce((total, one) => total + one[key], 0);
  return { services: SERVICES.length, deployments: sum('deployments'), incidents: sum('incidents') };
}

async function tellOf(client: Asks, service: SeedService, midnight: number) {
  const serviceId = await idOf(client, service);
  let [deployments, incidents] = [0, 0];
  for (let number = 1; number * service.everyDays < DAYS; number++) {
    const day = midnight - (DAYS - number * service.everyDays) * DAY_MS;
    for (const [index, environment] of ENVIRONMENTS.entries()) {
      const startedAt = day + (9 * 60 + ((number * 37) % 480) + index * 45) * MINUTE_MS;
      // Failures occur in production, which has the traffic.
      const fails = environment === 'production' && number % service.failsOneIn === 0;
      const id = await deploy(client, { serviceId, environment, number, startedAt, fails });
      deployments += 1;
      if (!fails) continue;
      await suffer(client, { serviceId, environment, id, number, openedAt: startedAt + 4 * MINUTE_MS });
      incidents += 1;
    }
  }
  return { deployments, incidents };
}

async function idOf(client: Asks, { name, owner }: SeedService): Promise<string> {
  const find = 'query Find($name: String!) { service(name: $name) { id } }';
  const { service } = await client.ask<{ service: { id: string } | null }>(find, { name });
  if (service) return service.id;
  const create = 'mutation Create($input: CreateServiceInput!) { createService(input: $input) { id } }';
  const input = { name, owner, repository: `https://git.example.com/acme/${name}` };
  const { createService } = await client.ask<{ createService: { id: string } }>(create, { input });
  return createService.id;
}

interface SeedDeployment {
  serviceId: string;
  environment: string;
  number: number;
  startedAt: number;
  fails: boolean;
}

async function deploy(client: Asks, given: SeedDeployment): Promise<string> {
  const { serviceId, environment, number, startedAt, fails } = given;
  const idempotencyKey = `seed-${environment}-${iso(startedAt)}`;
  const { recordDeployment } = await client.ask<{ recordDeployment: { id: string } }>(
    'mutation Record($input: RecordDeploymentInput!) { recordDeployment(input: $input) { id } }',
    {
      input: {
        ...{ serviceId, environment, idempotencyKey, startedAt: iso(startedAt) },
        version: `1.${Math.floor(number / 10)}.${number % 10}`,
        commit: (number * 2_654_435_761).toString(16).padStart(12, '0'),
        committedAt: iso(startedAt - (30 + ((number * 53) % 900)) * MINUTE_MS),
        strategy: environment === 'production' ? 'CANARY' : 'ROLLING_UPDATE',
      },
    },
  );
  const { id } = recordDeployment;
  await client.ask(
    'mutation Finish($input: FinishDeploymentInput!) { finishDeployment(input: $input) { id } }',
    {
      input: {
        ...{ id, idempotencyKey, outcome: fails ? 'ROLLED_BACK' : 'SUCCEEDED' },
        ...(fails ? { reason: 'AnalysisFailed: success-rate: 0.94 is less than 0.99' } : {}),
        finishedAt: iso(startedAt + (6 + (number % 9)) * MINUTE_MS),
      },
    },
  );
  return id;
}

interface SeedIncident {
  serviceId: string;
  environment: string;
  /** The deployment that caused it. */
  id: string;
  number: number;
  openedAt: number;
}

async function suffer(client: Asks, given: SeedIncident): Promise<void> {
  const { serviceId, environment, id: deploymentId, number, openedAt } = given;
  const { openIncident } = await client.ask<{ openIncident: { id: string; resolvedAt: string | null } }>(
    'mutation Open($input: OpenIncidentInput!) { openIncident(input: $input) { id resolvedAt } }',
    {
      input: {
        ...{ serviceId, environment, deploymentId, openedAt: iso(openedAt) },
        title: 'Requests are answered with errors',
        severity: number % 4 === 0 ? 'CRITICAL' : 'HIGH',
        idempotencyKey: `seed-${environment}-${iso(openedAt)}`,
      },
    },
  );
  if (openIncident.resolvedAt) return;
  await client.ask(
    'mutation Resolve($input: ResolveIncidentInput!) { resolveIncident(input: $input) { id } }',
    { input: { id: openIncident.id, resolvedAt: iso(openedAt + (8 + ((number * 7) % 50)) * MINUTE_MS) } },
  );
}

const iso = (time: number) => new Date(time).toISOString();
