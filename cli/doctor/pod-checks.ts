/** Checks in a running pod: the servers that it can reach, and its log. */
import { type ConnectionReport, connectionReportSchema, EXIT, PROGRAM, ROLES } from '../../contract/image.js';
import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import type { Pod } from '../../operator/reconciler/pod-state.js';
import type { ExecResult } from '../../operator/runtime/exec.js';
import { isForbidden } from '../../operator/runtime/kube-client.js';
import { CliError } from '../output.js';
import { QueryServer } from '../prometheus.js';
import { runningPods } from './pods.js';
import { asAllowed, type Check, type Finding, type Subject } from './types.js';

const CONTAINER = 'api';
const EXEC_TIMEOUT_MS = 20_000;
const LOG_TIMEOUT_MS = 10_000;
const LOG_LINES = 20;
const COLLECTED_WINDOW = '15m';

export const podChecks: Check[] = [asAllowed('network', network), asAllowed('logs', logs)];

/** Runs the command `connections` of the image in a pod, with its NetworkPolicy, DNS and Secrets. */
async function network(subject: Subject): Promise<Finding | Finding[]> {
  const { client, api, applied, fromPod } = subject;
  if (!applied) return [];
  const check = 'network';
  if (!fromPod)
    return { check, outcome: 'skipped', message: 'not checked; use --from-pod to connect from a pod' };
  const [pod] = await runningPods(subject);
  if (!pod)
    return {
      check,
      outcome: 'fail',
      message: 'no pod of the stable revision runs',
      remedy: `see: kubectl pcf status ${api.metadata.name} -n ${api.metadata.namespace}`,
    };
  const { namespace, name } = pod.metadata;
  const command = [...PROGRAM, ...ROLES.connections];
  const signal = AbortSignal.timeout(EXEC_TIMEOUT_MS);
  try {
    const container = { container: CONTAINER, command };
    return networkFindings(api, name, await client.exec({ namespace: namespace!, name }, container, signal));
  } catch (error) {
    if (isForbidden(error)) throw error;
    return unstarted(api, name, (error as Error).message);
  }
}

/** One finding per server. Exported for tests. */
export function networkFindings(api: PcfApi, pod: string, result: ExecResult): Finding | Finding[] {
  const check = 'network';
  if (result.exitCode === EXIT.usage)
    return { check, outcome: 'skipped', message: `the image of ${pod} has no command connections` };
  const report = reportIn(result.stdout);
  if (!report) return unstarted(api, pod, (result.stderr || result.message || 'no output').trim());
  return report.connections.map(({ name, target, ok, durationMs, error }) => {
    const title = `network: ${name}`;
    if (ok)
      return {
        check: title,
        outcome: 'ok',
        message: `${target} is reachable from ${pod} in ${durationMs} ms`,
      };
    return {
      check: title,
      outcome: 'fail',
      message: `${target} is not usable from ${pod}: ${error}`,
      remedy: 'check the security groups, spec.network (egress), DNS, and the Secret with its URL',
    };
  });
}

function unstarted({ metadata }: PcfApi, pod: string, problem: string): Finding {
  return {
    check: 'network',
    outcome: 'fail',
    message: `the check in ${pod} failed: ${problem}`,
    remedy: `kubectl exec -n ${metadata.namespace} ${pod} -- ${[...PROGRAM, 'connections'].join(' ')}`,
  };
}

function reportIn(stdout: string): ConnectionReport | undefined {
  try {
    return connectionReportSchema.parse(JSON.parse(stdout));
  } catch {
    return undefined;
  }
}

/** That pods write JSON lines, and, with the URL of Loki, that it has received some of each. */
async function logs(subject: Subject): Promise<Finding | Finding[]> {
  if (!subject.applied) return [];
  const check = 'logs';
  const pods = await runningPods(subject);
  if (pods.length === 0) return { check, outcome: 'skipped', message: 'no pod of the stable revision runs' };
  const { name } = pods[0]!.metadata;
  const tail = await tailOf(subject, pods[0]!).catch((error: Error) => {
    if (isForbidden(error)) throw error;
    return error;
  });
  if (tail instanceof Error)
    return { check, outcome: 'warn', message: `the log of ${name} can't be read: ${tail.message}` };
  if (!tail.every(isStructured))
    return { check, outcome: 'warn', message: `${name} writes lines that are not JSON` };
  if (!subject.loki) {
    const what = tail.length > 0 ? 'the pods write JSON lines' : `the log of ${name} is empty`;
    return { check, outcome: 'skipped', message: `${what}; use --loki URL to check that logs are collected` };
  }
  return collected(subject, subject.loki, pods);
}

async function collected({ client, api }: Subject, url: string, pods: readonly Pod[]): Promise<Finding> {
  const check = 'logs';
  const names = pods.map(({ metadata }) => metadata.name);
  const selector = `{namespace=${JSON.stringify(api.metadata.namespace)},pod=~${JSON.stringify(names.join('|'))}}`;
  const query = `sum by (pod) (count_over_time(${selector}[${COLLECTED_WINDOW}]))`;
  try {
    const series = await new QueryServer(client, url).query(query, '/loki/api/v1/query');
    const found = new Set(series.map(({ labels }) => labels.pod));
    const missing = names.filter((name) => !found.has(name));
    if (missing.length === 0)
      return { check, outcome: 'ok', message: `Loki has logs of all ${names.length} pods` };
    const message = `Loki has no logs of ${missing.join(', ')} in the last ${COLLECTED_WINDOW}`;
    return { check, outcome: 'fail', message, remedy: 'check the collector on the nodes of these pods' };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { check, outcome: 'fail', message: error.message, remedy: 'check the URL of --loki' };
  }
}

async function tailOf({ client }: Subject, { metadata }: Pod): Promise<string[]> {
  const pod = { namespace: metadata.namespace!, name: metadata.name };
  const query = { container: CONTAINER, tailLines: LOG_LINES };
  const chunks: Uint8Array[] = [];
  const log = await client.log(pod, query, AbortSignal.timeout(LOG_TIMEOUT_MS));
  for await (const chunk of log) chunks.push(chunk);
  return Buffer.concat(chunks)
    .toString('utf8')
    .split('\n')
    .filter((line) => line.trim() !== '');
}

function isStructured(line: string): boolean {
  try {
    const { level } = JSON.parse(line) as { level?: unknown };
    return level !== undefined;
  } catch {
    return false;
  }
}
