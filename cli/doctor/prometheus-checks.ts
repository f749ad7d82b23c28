/** Checks of a running PcfApi in Prometheus: its targets, the alert rules, the performance baseline. */
import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import { measure, missingFigures, namespaceLabelOf } from '../baseline/measure.js';
import { compareWithBaseline, describeFigures, readBaseline } from '../baseline/record.js';
import { CliError } from '../output.js';
import { type AlertRule, prometheusUrl, QueryServer, type Series } from '../prometheus.js';
import { runningPods } from './pods.js';
import { asAllowed, type Check, type Finding, type Subject } from './types.js';

/** An alert of deploy/alerts that every version of it has. */
const KNOWN_ALERT = 'PcfApiFailed';

export const prometheusChecks: Check[] = [
  withPrometheus('targets', targets),
  withPrometheus('alert rules', async (server, { api }) => alertFinding(api, await server.alertRules())),
  withPrometheus('baseline', baseline),
];

/** Skips the check if no server is known, and reports one that does not answer as a failure. */
function withPrometheus(
  name: string,
  check: (server: QueryServer, subject: Subject) => Promise<Finding>,
): Check {
  return asAllowed(name, async (subject) => {
    if (!subject.applied) return [];
    const url = prometheusUrl(subject.api, subject.prometheus);
    if (!url) return { check: name, outcome: 'skipped', message: 'use --prometheus URL to check it' };
    const run = async () => check(new QueryServer(subject.client, url), subject);
    return run().catch((error: unknown): Finding => {
      if (!(error instanceof CliError)) throw error;
      const remedy = 'check the URL, or set another one with --prometheus';
      return { check: name, outcome: 'fail', message: error.message, remedy };
    });
  });
}

async function targets(server: QueryServer, subject: Subject): Promise<Finding> {
  const { api } = subject;
  const [up, pods] = await Promise.all([server.query(upQuery(api)), runningPods(subject)]);
  const names = pods.map(({ metadata }) => metadata.name);
  return targetFinding(api, up, names);
}

function upQuery(api: PcfApi): string {
  const { namespace, name } = api.metadata;
  return `up{${namespaceLabelOf(api)}=${JSON.stringify(namespace)},app_kubernetes_io_instance=${JSON.stringify(name)}}`;
}

/** `up`: one series per pod that Prometheus scrapes. `pods`: those that run. Exported for tests. */
export function targetFinding({ metadata }: PcfApi, up: readonly Series[], pods: readonly string[]): Finding {
  const check = 'targets';
  if (up.length === 0)
    return {
      check,
      outcome: 'fail',
      message: 'Prometheus scrapes no pod of this PcfApi',
      remedy: `set spec.monitoring.serviceMonitor: true, and spec.monitoring.labels to what the Prometheus selects`,
    };
  const down = up
    .filter(({ value }) => value === 0)
    .map(({ labels }) => labels.pod ?? labels.instance ?? '?');
  const scraped = new Set(up.map(({ labels }) => labels.pod));
  const missing = pods.filter((pod) => !scraped.has(pod));
  if (down.length + missing.length === 0)
    return { check, outcome: 'ok', message: `Prometheus scrapes all ${pods.length} pods` };
  const problems = [
    ...(down.length > 0 ? [`can't scrape ${down.join(', ')}`] : []),
    ...(missing.length > 0 ? [`has no target for ${missing.join(', ')}`] : []),
  ];
  return {
    check,
    outcome: 'fail',
    message: `Prometheus ${problems.join(', and ')}`,
    remedy: `let the Prometheus select the pods (spec.monitoring), allow port 9090 from its namespace (spec.network.monitoringNamespace), and see: kubectl get pods -n ${metadata.namespace}`,
  };
}

/** Exported for tests. */
export function alertFinding({ metadata }: PcfApi, rules: readonly AlertRule[]): Finding {
  const check = 'alert rules';
  const ours = rules.filter(({ name }) => /^Pcf[A-Z]/.test(name));
  if (!ours.some(({ name }) => name === KNOWN_ALERT))
    return {
      check,
      outcome: 'fail',
      message: `Prometheus has not loaded the alert ${KNOWN_ALERT}`,
      remedy: 'apply the rules of deploy/alerts, with the labels that ruleSelector of the Prometheus selects',
    };
  const broken = ours.filter(({ health = 'ok' }) => health === 'err');
  if (broken.length > 0)
    return {
      check,
      outcome: 'fail',
      message: `${broken.map(({ name, lastError }) => `${name}: ${lastError}`).join('; ')}`,
      remedy: 'apply the rules of this version of deploy/alerts',
    };
  const firing = ours.filter(({ alerts = [] }) =>
    alerts.some(({ labels, state }) => state === 'firing' && isAbout(metadata, labels)),
  );
  if (firing.length === 0) return { check, outcome: 'ok', message: `${ours.length} are loaded, none fires` };
  const names = firing.map(({ name }) => name);
  const remedy = names.map((name) => `docs/alerts.md#${name.toLowerCase()}`).join(', ');
  return { check, outcome: 'warn', message: `${names.join(', ')} fires`, remedy: `see ${remedy}` };
}

/** The metrics of the operator have the name of a PcfApi in another label than those of the API. */
function isAbout({ namespace, name }: PcfApi['metadata'], labels: Record<string, string>): boolean {
  return labels.namespace === namespace && (labels.name ?? labels.app_kubernetes_io_instance) === name;
}

/** Compares the stable revision with the newest entry, which is that of an earlier one after a delivery. */
async function baseline(server: QueryServer, { api }: Subject): Promise<Finding> {
  const check = 'baseline';
  const record = `kubectl pcf baseline ${api.metadata.name} -n ${api.metadata.namespace}`;
  const entry = readBaseline(api).at(-1);
  if (!entry) return { check, outcome: 'warn', message: 'no baseline is recorded', remedy: record };
  const revision = api.status?.stableRevision;
  if (!revision) return { check, outcome: 'skipped', message: 'there is no stable revision yet' };
  const now = await measure(server, api, revision, entry.windowSeconds);
  if (!('p99' in now)) return { check, outcome: 'warn', message: missingFigures(revision, now) };
  const { outcome, differences } = compareWithBaseline(now, entry);
  const what = revision === entry.revision ? 'recorded' : `of ${entry.revision}`;
  if (outcome === 'ok')
    return { check, outcome, message: `${describeFigures(now)}; not worse than the baseline ${what}` };
  return {
    check,
    outcome,
    message: `worse than the baseline ${what}: ${differences.join(', ')}`,
    remedy: `kubectl pcf undo ${api.metadata.name} -n ${api.metadata.namespace}, or accept the new figures: ${record}`,
  };
}
