import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { findPromtool } from '../../support/servers/prometheus.js';
import { cases, type Series } from './alert-cases.js';

const RULES = 'deploy/alerts/pcf.rules.yaml';

interface Rule {
  alert: string;
  labels: { severity: string };
  annotations: Record<string, string>;
}

describe('Prometheus alert rules', () => {
  let promtool: string;
  let folder: string;
  const file = parse(readFileSync(RULES, 'utf8')) as { groups: { rules: Rule[] }[] };
  const rules = file.groups.flatMap((group) => group.rules);

  before(function () {
    const found = findPromtool();
    assert.ok(found || process.env.CI !== 'true', 'CI requires promtool');
    if (!found) return this.skip();
    promtool = found;
    folder = mkdtempSync(join(tmpdir(), 'pcf-alerts-'));
  });
  after(() => folder && rmSync(folder, { recursive: true, force: true }));

  /** Throws with the expected and actual alerts that promtool reports. */
  function check(alertname: string, given: Series, at: string, expected: object[]): void {
    const test = {
      interval: '1m',
      input_series: Object.entries(given).map(([series, values]) => ({ series, values })),
      alert_rule_test: [{ eval_time: at, alertname, exp_alerts: expected }],
    };
    const path = join(folder, `${alertname}.yaml`);
    writeFileSync(
      path,
      stringify({ rule_files: [resolve(RULES)], evaluation_interval: '1m', tests: [test] }),
    );
    try {
      execFileSync(promtool, ['test', 'rules', path], { encoding: 'utf8', stdio: 'pipe' });
    } catch (error) {
      assert.fail((error as { stdout: string; stderr: string }).stderr);
    }
  }

  it('are valid', () => {
    assert.match(
      execFileSync(promtool, ['check', 'rules', RULES], { encoding: 'utf8' }),
      new RegExp(`SUCCESS: ${rules.length} rules found`),
    );
  });

  it('each have a test case', () =>
    assert.deepEqual(
      Object.keys(cases),
      rules.map(({ alert }) => alert),
    ));

  for (const { alert, labels, annotations } of rules) {
    const { fires, quiet, andFires = [], andQuiet = [], labels: own, says, at = '45m' } = cases[alert]!;
    it(`${alert} fires with rendered annotations, and does not fire for similar series`, () => {
      const exp_annotations = { ...annotations, ...says };
      assert.doesNotMatch(
        Object.values(exp_annotations).join(),
        /\{\{/,
        'the test case contains rendered annotations',
      );
      const alarm = { exp_labels: { ...own, ...labels }, exp_annotations };
      for (const given of [fires, ...andFires]) check(alert, given, at, [alarm]);
      for (const given of [quiet, ...andQuiet]) check(alert, given, at, []);
    });
  }
});
