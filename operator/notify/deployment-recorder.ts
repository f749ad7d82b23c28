/** Records a deployment in a PCF API. Idempotent. */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { ReportingSpec } from '../api/v1alpha1/spec/reporting.js';
import { post } from '../runtime/outgoing/http.js';
import type { SecretReader } from '../runtime/outgoing/secrets.js';
import type { DeploymentEnd, DeploymentReport } from './deployment-reports.js';
import { accept, DeliveryRefused, TryLater } from './destination.js';

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 65_536;

const FIND_SERVICE = 'query FindService($name: String!) { service(name: $name) { id } }';
const CREATE_SERVICE =
  'mutation CreateService($input: CreateServiceInput!) { createService(input: $input) { id } }';
const RECORD =
  'mutation RecordDeployment($input: RecordDeploymentInput!) { recordDeployment(input: $input) { id } }';
const FIND_DEPLOYMENT = `query FindDeployment($serviceId: ID!, $filter: DeploymentFilter!) {
  deployments(serviceId: $serviceId, filter: $filter, first: 1) { edges { node { id } } }
}`;
const FINISH =
  'mutation FinishDeployment($input: FinishDeploymentInput!) { finishDeployment(input: $input) { id } }';

interface Answer {
  data?: Record<string, unknown> | null;
  errors?: { extensions?: { code?: unknown } }[];
}

/** The API returned an error with this code. */
class AnsweredError extends DeliveryRefused {
  constructor(
    message: string,
    readonly code: string,
  ) {
    super(message);
  }
}

const PASSING = ['INTERNAL_SERVER_ERROR', 'SERVICE_UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RATE_LIMITED'];
const ADVICE: Record<string, string> = {
  UNAUTHENTICATED: 'the API key is invalid or not set (reporting.apiKeySecretRef)',
  NOT_FOUND: 'not found; reporting.url must end with /graphql',
  FORBIDDEN: 'its API key needs the role OPERATOR and the scopes READ, CATALOG and DEPLOYMENTS',
};

export class DeploymentRecorder {
  readonly label: string;

  constructor(
    private readonly api: PcfApi,
    private readonly spec: ReportingSpec,
    private readonly secrets: SecretReader,
  ) {
    this.label = `the API at ${spec.url}`;
  }

  /** Throws a DeliveryRefused if a retry is useless. */
  async record(report: DeploymentReport, signal: AbortSignal): Promise<void> {
    const serviceId = await this.serviceId(signal);
    const id = await this.deploymentId(serviceId, report, signal);
    if (report.end) await this.finish({ id, idempotencyKey: report.key }, report.end, signal);
  }

  /** An API of an earlier version rejects the failure, because its schema does not have these fields. */
  private async finish(
    identity: { id: string; idempotencyKey: string },
    { failure, ...end }: DeploymentEnd,
    signal: AbortSignal,
  ): Promise<void> {
    const input = { ...identity, ...end };
    try {
      await this.ask(FINISH, { input: { ...input, ...failure } }, signal);
    } catch (error) {
      if (!failure || !hasCode(error, 'BAD_USER_INPUT')) throw error;
      await this.ask(FINISH, { input }, signal);
    }
  }

  private async serviceId(signal: AbortSignal): Promise<string> {
    const name = this.spec.service ?? this.api.metadata.name;
    const found = (await this.ask(FIND_SERVICE, { name }, signal)).service as { id: string } | null;
    if (found) return found.id;
    try {
      const made = await this.ask(CREATE_SERVICE, { input: { name } }, signal);
      return (made.createService as { id: string }).id;
    } catch (error) {
      // Another client created it concurrently.
      if (hasCode(error, 'CONFLICT')) throw new TryLater(`${this.label} is creating the service`, undefined);
      throw error;
    }
  }

  private async deploymentId(
    serviceId: string,
    report: DeploymentReport,
    signal: AbortSignal,
  ): Promise<string> {
    const { key, revision: _, end: __, ...told } = report;
    try {
      const input = { serviceId, ...told, idempotencyKey: key };
      const recorded = await this.ask(RECORD, { input }, signal);
      return (recorded.recordDeployment as { id: string }).id;
    } catch (error) {
      if (!hasCode(error, 'CONFLICT')) throw error;
      const known = await this.knownDeployment(serviceId, report, signal);
      if (!known) throw error;
      return known;
    }
  }

  /** The key is recorded with other values, such as the strategy before an edit: those of the start apply. */
  private async knownDeployment(
    serviceId: string,
    { version, startedAt }: DeploymentReport,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const startedTo = new Date(Date.parse(startedAt) + 1).toISOString();
    const filter = { version: [version], startedFrom: startedAt, startedTo };
    const { deployments } = await this.ask(FIND_DEPLOYMENT, { serviceId, filter }, signal);
    return (deployments as { edges: { node: { id: string } }[] }).edges[0]?.node.id;
  }

  private async ask(query: string, variables: object, signal: AbortSignal): Promise<Record<string, unknown>> {
    const { namespace } = this.api.metadata;
    const { url, apiKeySecretRef, tls } = this.spec;
    const [authorization, material] = await Promise.all([
      this.secrets.authorization(namespace, { bearerSecretRef: apiKeySecretRef }, signal),
      this.secrets.tls(namespace, tls, signal),
    ]);
    const headers = { 'content-type': 'application/json', accept: 'application/json', ...authorization };
    const body = JSON.stringify({ query, variables });
    const target = this.label;
    const answered = await post(
      { url, target, headers, body, tls: material, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES },
      signal,
    );
    const { data, errors } = parse(answered.text) ?? {};
    if (errors?.length) throw this.errorOf(errors);
    accept(this.label, answered);
    if (!data) throw new DeliveryRefused(`${this.label} returned no GraphQL response`);
    return data;
  }

  /** Uses the code only, because the message of the server can contain anything. */
  private errorOf(errors: NonNullable<Answer['errors']>): Error {
    const given = String(errors[0]?.extensions?.code ?? '');
    const code = /^[A-Z_]{1,40}$/.test(given) ? given : 'an error';
    const message = `${this.label} returned ${code}${ADVICE[code] ? `: ${ADVICE[code]}` : ''}`;
    return PASSING.includes(code) ? new TryLater(message, undefined) : new AnsweredError(message, code);
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof AnsweredError && error.code === code;
}

function parse(text: string): Answer | undefined {
  try {
    const answer: unknown = JSON.parse(text);
    return typeof answer === 'object' && answer !== null ? answer : undefined;
  } catch {
    return undefined;
  }
}
