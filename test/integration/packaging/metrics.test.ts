import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parser } from '@prometheus-io/lezer-promql';
import { Registry } from 'prom-client';
import { parse } from 'yaml';
import { addQueueGauges } from '../../../api-server/jobs/job-metrics.js';
import { PHASES } from '../../../operator/api/v1alpha1/status.js';
import { freePorts } from '../../../sandbox/process/ports.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';
import { spawnRole } from '../api-server/api-process.js';
import { migratedDatabase } from '../api-server/migrated-database.js';

interface Selector {
  metric: string;
  labels: string[];
}

interface Query {
  where: string;
  expr: string;
}

interface Rule {
  alert: string;
  expr: string;
  for: string;
  labels: { severity: string };
  annotations: { summary: string; description: string; runbook_url: string };
}

/** Labels that the scrape adds: target labels, and pod labels through podTargetLabels. */
const FROM_SCRAPE = /^(namespace|pod|service|job|instance|container|app_kubernetes_io_\w+|pcf_dev_\w+)$/;

const rules = () => {
  const file = parse(readFileSync('deploy/alerts/pcf.rules.yaml', 'utf8')) as { groups: { rules: Rule[] }[] };
  return file.groups.flatMap((group) => group.rules);
};

/** The selectors of a query. Throws if it is not PromQL. */
function selectorsOf({ where, expr }: Query): Selector[] {
  // Grafana replaces its variables before it sends the query.
  const text = expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$(namespace|name)\b/g, '.*');
  const found: Selector[] = [];
  parser.parse(text).iterate({
    enter(node) {
      const content = text.slice(node.from, node.to);
      if (node.type.isError) throw new Error(`${where}: not PromQL at "${text.slice(node.from)}"`);
      if (node.name === 'VectorSelector') found.push({ metric: content.split('{')[0]!.trim(), labels: [] });
      if (node.name === 'LabelName' && node.matchContext(['LabelMatchers', 'UnquotedLabelMatcher']))
        found.at(-1)!.labels.push(content);
    },
  });
  return found;
}

function dashboardQueries(): Query[] {
  interface Panel {
    title: string;
    targets?: { expr: string }[];
  }
  const { panels, templating } = JSON.parse(readFileSync('deploy/dashboards/pcf.json', 'utf8')) as {
    panels: Panel[];
    templating: { list: { name: string; definition?: string }[] };
  };
  const ofPanels = panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ where: `panel "${title}"`, expr })),
  );
  const ofVariables = templating.list.flatMap(({ name, definition }) => {
    const metric = /^label_values\((.*), \w+\)$/.exec(definition ?? '')?.[1];
    return metric ? [{ where: `variable ${name}`, expr: metric }] : [];
  });
  return [...ofPanels, ...ofVariables];
}

/** Parses a /metrics response into a map from metric to the labels of its samples. */
function metricsIn(text: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const [, name, type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    for (const suffix of suffixes) found.set(name + suffix, new Set());
  }
  for (const [, name, labels] of text.matchAll(/^(\w+)\{(.*)\} \S+$/gm))
    for (const [, label] of labels!.matchAll(/(\w+)="/g)) found.get(name!)?.add(label!);
  return found;
}

describe('alert rules and dashboard', () => {
  let sandbox: Sandbox;
  let metrics: Map<string, Set<string>>;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    const api = await TestApi.create(sandbox, await newTenant(sandbox, 'metrics'));
    await api.ready();
    const queues = new Registry();
    addQueueGauges(queues, () => Promise.resolve([]));
    const texts = [await operatorMetrics(), await apiMetrics(), await queues.metrics()];
    metrics = new Map(texts.flatMap((text) => [...metricsIn(text)]));
  });

  const scrape = async (port: number) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const operatorMetrics = () => scrape(sandbox.operator.port);

  async function apiMetrics(): Promise<string> {
    const [port, metricsPort] = await freePorts(2);
    const env = {
      PCF_API__DATABASE__URL: await migratedDatabase(),
      PCF_API__SERVER__PORT: String(port),
      PCF_API__METRICS__PORT: String(metricsPort),
      PCF_API__SHUTDOWN__DELAY: '0s',
    };
    const { child, ended } = spawnRole(['serve'], env);
    try {
      const ready = () => fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined);
      await eventually('the API is ready', async () => (await ready())?.status === 200);
      for (const query of ['{ __typename }', '{ nothing }'])
        await fetch(`http://127.0.0.1:${port}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ query }),
        });
      return await scrape(metricsPort!);
    } finally {
      child.kill('SIGTERM');
      await ended;
    }
  }

  const check = (query: Query) => {
    const selectors = selectorsOf(query);
    assert.ok(selectors.length > 0, `${query.where} queries no metric`);
    for (const { metric, labels } of selectors) {
      const known = metrics.get(metric);
      assert.ok(known, `${query.where}: neither the operator nor the API has ${metric}`);
      for (const label of labels)
        assert.ok(
          known.size === 0 || known.has(label) || FROM_SCRAPE.test(label),
          `${query.where}: ${metric} has no label ${label}, only ${[...known].join(', ')}`,
        );
    }
  };

  it('every alert queries existing metrics and labels', () => {
    for (const { alert, expr } of rules()) check({ where: alert, expr });
  });

  it('every panel and variable of the dashboard queries existing metrics and labels', () => {
    const queries = dashboardQueries();
    assert.ok(queries.length > 20);
    for (const query of queries) check(query);
  });

  it('every phase in a query exists', () => {
    const queries = [...rules().map(({ expr }) => expr), ...dashboardQueries().map(({ expr }) => expr)];
    const phases = queries.flatMap((expr) =>
      [...expr.matchAll(/phase=~?"([^"]+)"/g)].flatMap(([, all]) => all!.split('|')),
    );
    assert.ok(phases.length > 0);
    for (const phase of phases) assert.ok((PHASES as readonly string[]).includes(phase), phase);
  });

  it('the check of queries rejects an unknown metric, an unknown label and invalid PromQL', () => {
    const refused = (expr: string, message: RegExp) =>
      assert.throws(() => check({ where: 'it', expr }), message);
    refused('sum(rate(pcf_no_such_total[5m]))', /has pcf_no_such_total/);
    refused('pcf_phase{fase="Failed"}', /pcf_phase has no label fase/);
    refused('sum(rate(pcf_phase[5m])', /not PromQL/);
  });

  it('every alert has a severity, a summary, a description and a runbook in docs/alerts.md', () => {
    const headings = [...readFileSync('docs/alerts.md', 'utf8').matchAll(/^### (.*)$/gm)].map(
      ([, name]) => name,
    );
    assert.deepEqual(
      headings,
      rules().map(({ alert }) => alert),
      'one section per alert, in the same order',
    );
    for (const { alert, labels, annotations, for: duration } of rules()) {
      assert.match(labels.severity, /^(warning|critical)$/, alert);
      assert.match(duration, /^\d+m$/, alert);
      assert.ok(annotations.summary && annotations.description, alert);
      assert.equal(annotations.runbook_url, `docs/alerts.md#${alert.toLowerCase()}`);
    }
  });
});
