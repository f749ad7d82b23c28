/**
 * Scenario "delivery": strategies under load: steps with holds and analysis, an approval link, an undo, two versions
 * that fail the analysis, the steps of an Argo Rollout and an edit during one, freezes, sticky users, an abort, a
 * breaking change of the GraphQL schema, blue-green with other autoscaling settings, a worker that fails its jobs.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sandbox } from '../sandbox.js';
import { Approvers } from './approvals.js';
import { faultCount } from './load.js';
import { printMeasurements } from './print-measurements.js';
import { type DeliveryFigures, figuresOf, Reporting } from './reporting.js';
import { imageOf, NAME, NAMESPACE } from './scenario.js';
import { SchemaChapter } from './schema-chapter.js';

const OLD = '1.0.0';
const NEW = '1.1.0';
const ERRONEOUS = '1.3.0';
const SLOW = '1.4.0';
const FAILING_JOBS = '1.5.0';
const ROLLOUT = 'docs/examples/argo-rollout.yaml';
/** What the scenario uses of the converted Rollout. */
interface ImportedSpec {
  strategy: { canary: { steps: object[] } };
}

/** A change of these settings is delivered, like a newer image. */
const AUTOSCALING = { onChange: 'Rollout', minReplicas: 3, maxReplicas: 6, cpu: 70 };

/**
 * Short intervals, real metrics. The latency is compared with the stable revision, so that the speed of the
 * machine does not matter.
 */
const analysisBy = (url: string) => ({
  ...{ interval: '2s', initialDelay: '2s', count: 3, inconclusiveLimit: 5 },
  prometheus: { url },
  metrics: [
    { name: 'success-rate', successRate: { perOperation: true, window: '5s' }, min: 0.99 },
    { name: 'p99', latency: { window: '5s' }, compareWithStable: { absolute: 0.7 }, failureLimit: 1 },
  ],
});

/** The success rate by a sequential test against the stable revision, which needs no bound. */
const sequentialBy = (url: string) => ({
  ...analysisBy(url),
  metrics: [{ name: 'success-rate', successRate: { perOperation: true }, interval: '2s', sequential: {} }],
});

export class DeliveryStory extends SchemaChapter {
  constructor(sandbox: Sandbox, print: (line: string) => void) {
    super(sandbox, print, { faulty: [ERRONEOUS, SLOW] });
    printMeasurements(this.watch, (line) => this.line(line));
  }

  private get analysis() {
    const { prometheus } = this.sandbox;
    return prometheus ? analysisBy(prometheus.url) : null;
  }

  private get sequentialAnalysis() {
    const { prometheus } = this.sandbox;
    return prometheus ? sequentialBy(prometheus.url) : null;
  }

  protected override sampleSpec(): object {
    return { ...super.sampleSpec(), replicas: undefined, autoscaling: { horizontal: AUTOSCALING } };
  }

  protected override async chapters(): Promise<void> {
    this.load.start();
    const reporting = new Reporting(this.sandbox, NAMESPACE, NAME);
    await this.patch({ reporting: await reporting.spec() });
    await this.deliverBySteps();
    await this.undo();
    if (this.sandbox.prometheus) {
      await this.failAnalysis(
        ERRONEOUS,
        'one list in four is a GraphQL error, with HTTP 200; a sequential test compares it with the stable revision',
        'success-rate',
        this.sequentialAnalysis,
      );
      await this.failAnalysis(SLOW, 'one list in four takes 1.5 s', 'p99', this.analysis);
    } else {
      this.chapter('two versions that fail the analysis: skipped, because prometheus is not on the PATH');
    }
    await this.editInTheMiddle();
    await this.freeze(NEW);
    if (this.sandbox.prometheus) await this.freezeByValue(NEW, this.sandbox.prometheus.url);
    await this.stickyUsers(NEW);
    await this.abort();
    await this.schemaInUse();
    await this.blueGreen();
    await this.failJobs(FAILING_JOBS);
    await this.compareRecordedDeliveries(reporting);
  }

  private async deliverBySteps(): Promise<void> {
    const judged = this.analysis ? ', with analysis by Prometheus' : '';
    this.chapter(
      `a canary with steps: 20 % and 50 %, with a hold of 6 s each, then a pause that an approval link ends${judged}`,
    );
    const approvers = await Approvers.start(this.sandbox, NAMESPACE, this.sandbox.approvalUrl!);
    const steps = [
      { weight: 20, hold: '6s' },
      { weight: 50, hold: '6s' },
      { weight: 80, pause: true },
    ];
    await this.patch({
      strategy: { type: 'Canary', canary: { steps, analysis: this.analysis, scaleDownDelay: '60s' } },
      notifications: approvers.notifications,
      image: imageOf(NEW),
    });
    for (const weight of [20, 50, 80]) {
      await this.weightReached(weight);
      await this.measure(`step at ${weight} %`, { [NEW]: weight });
    }
    await this.printVerdict();
    await this.approve(approvers);
    await this.promoted(NEW);
    this.line('-> promoted');
    await this.patch({ notifications: null });
    await approvers.stop();
  }

  /** Opening a link changes nothing, its button approves once. */
  private async approve(approvers: Approvers): Promise<void> {
    const token = await approvers.token();
    const opened = await approvers.post('look', token);
    this.line(`approval link of the webhook opened: HTTP ${opened.status}, ${opened.state}`);
    const used = await approvers.post('use', token);
    this.line(`its button: HTTP ${used.status}, ${used.message}`);
    const again = await approvers.post('use', token);
    this.line(`its button again: HTTP ${again.status}, ${again.message}`);
    const states = [opened, used, again].map(({ state }) => state).join(', ');
    this.expect(states === 'Open, Accepted, Used', `the link was ${states}`);
  }

  /** Verdict of the last step, which depends on measurements of that step. */
  private async printVerdict(): Promise<void> {
    if (!this.analysis) return;
    const isRunning = (verdict?: string) => verdict === undefined || verdict === 'Running';
    await this.watch.until('verdict', (api) => !isRunning(api?.status?.analysis?.verdict));
    const { verdict, message } = this.watch.now()?.status?.analysis ?? {};
    this.line(`analysis: ${verdict}: ${message}`);
    this.expect(verdict === 'Passed', `the analysis of a healthy version: ${verdict}: ${message}`);
  }

  /** A version with successful probes and failing metrics. */
  private async failAnalysis(
    version: string,
    defect: string,
    metric: string,
    analysis: object | null,
  ): Promise<void> {
    this.chapter(`${version} at 20 %: it is ready, and ${defect}`);
    await this.patch({
      strategy: { canary: { steps: [{ weight: 20, hold: '60s' }], analysis } },
      image: imageOf(version),
    });
    await this.watch.until('traffic', (api) => (api?.status?.traffic?.effectiveWeight ?? 0) > 0);
    const { updateRevision } = this.watch.now()?.status ?? {};
    const startedAt = performance.now();
    const aborted = this.watch.until('aborted', (api) => api?.status?.failed?.revision === updateRevision);
    const { served, ...sample } = await this.load.sampleUntil(aborted);
    const { reason, message = '' } = this.watch.now()?.status?.failed ?? {};
    this.printDuration('aborted', performance.now() - startedAt);
    this.line(`${reason}: ${message}`);
    this.expect(reason === 'AnalysisFailed', `${version} was aborted with the reason ${reason}`);
    this.expect(message.includes(`${metric}:`), `${version} did not fail by ${metric}: ${message}`);
    this.line(
      `until then ${served[version] ?? 0} requests were served by it, ${faultCount(sample)} of them with intended errors`,
    );
    const faults = faultCount(sample) > 0;
    this.expect(
      faults === (version === ERRONEOUS),
      `${version} returned ${faultCount(sample)} intended errors`,
    );
    await this.measure('after the abort', { [OLD]: 100 });
  }

  private async undo(): Promise<void> {
    this.chapter('undo, while the old pods still run');
    const startedAt = performance.now();
    this.line((await this.pcf('undo', 'pcf-api')).trim());
    await this.promoted(OLD);
    this.printDuration(`all traffic is on ${OLD} again`, performance.now() - startedAt);
    await this.measure('after the undo', { [OLD]: 100 });
  }

  private async editInTheMiddle(): Promise<void> {
    this.chapter('the steps of an Argo Rollout, and an edit of the weight during the first one');
    const { strategy } = await this.importRollout();
    this.line(`kubectl pcf import rollout -> steps ${JSON.stringify(strategy.canary.steps)}`);
    await this.patch({ strategy: { canary: { ...strategy.canary, analysis: null } }, image: imageOf(NEW) });
    await this.weightReached(20);
    await this.shift(40);
    await this.measure('canaryWeight 40', { [NEW]: 40 });
    await this.patch({ canaryWeight: null });
    await this.weightReached(20);
    this.line('canaryWeight removed -> the step continues at 20 %');
  }

  private async importRollout(): Promise<ImportedSpec> {
    const manifest = await this.pcf('import', 'rollout', '-f', ROLLOUT, '-o', 'json');
    return (JSON.parse(manifest) as { spec: ImportedSpec }).spec;
  }

  private async abort(): Promise<void> {
    this.chapter('manual abort');
    const startedAt = performance.now();
    await this.pcf('abort', 'pcf-api');
    await this.watch.until('aborted', (api) => api?.status?.reason === 'AbortRequested');
    this.printDuration('aborted', performance.now() - startedAt);
    await this.measure('after the abort', { [OLD]: 100 });
    this.printReady();
  }

  private async blueGreen(): Promise<void> {
    this.chapter(
      'blue-green with other settings of the autoscaler: all new pods start, one switch, and a rollback',
    );
    const doubled = { horizontal: { maxReplicas: 2 * AUTOSCALING.maxReplicas } };
    const strategy = { type: 'BlueGreen', blueGreen: { autoPromote: false } };
    await this.patch({ strategy, image: imageOf(OLD) });
    await this.promoted(OLD);
    await this.patch({ image: imageOf(NEW), autoscaling: doubled, source: { commit: 'story' } });
    await this.watch.until('waiting for the switch', (api) => {
      const { phase, conditions } = api?.status ?? {};
      return phase === 'Canary' && (conditions?.some(({ message }) => message.includes('promote')) ?? false);
    });
    await this.measure('before the switch', { [OLD]: 100 });
    await this.autoscalerHas(AUTOSCALING.maxReplicas);
    const startedAt = performance.now();
    await this.pcf('promote', 'pcf-api');
    await this.promoted(NEW);
    this.printDuration('switched', performance.now() - startedAt);
    await this.measure('after the switch', { [NEW]: 100 });
    await this.autoscalerHas(doubled.horizontal.maxReplicas);
    const undoneAt = performance.now();
    await this.pcf('undo', 'pcf-api');
    await this.promoted(OLD);
    this.printDuration('switched back', performance.now() - undoneAt);
    await this.measure('after switching back', { [OLD]: 100 });
    await this.autoscalerHas(AUTOSCALING.maxReplicas);
    this.line((await this.pcf('history', 'pcf-api')).trim().replaceAll('\n', '\n    '));
  }

  /** Throws if the autoscaler does not have these settings soon. */
  private async autoscalerHas(maxReplicas: number): Promise<void> {
    const condition = `--for=jsonpath={.spec.maxReplicas}=${maxReplicas}`;
    await this.sandbox.parts.kubectl.run([
      'wait',
      `hpa/${NAME}`,
      '-n',
      NAMESPACE,
      condition,
      '--timeout=10s',
    ]);
    this.line(`the autoscaler has maxReplicas ${maxReplicas}`);
  }

  /** The API has recorded the same deliveries as the status. */
  private async compareRecordedDeliveries(reporting: Reporting): Promise<void> {
    this.chapter('deliveryMetrics of the API for its own deliveries');
    const expected = figuresOf(this.watch.now()!);
    const isSame = (recorded: DeliveryFigures) =>
      (Object.keys(expected) as (keyof typeof expected)[]).every((key) => recorded[key] === expected[key]);
    let recorded = await reporting.figures();
    for (let tries = 0; !isSame(recorded) && tries < 40; tries++) {
      await sleep(250);
      recorded = await reporting.figures();
    }
    await reporting.close();
    const { deployments, succeeded, failed, rolledBack, changeFailureRate } = recorded;
    this.line(
      `${deployments} deployments: ${succeeded} succeeded, ${failed} failed, ${rolledBack} rolled back; change failure rate ${(100 * (changeFailureRate ?? 0)).toFixed(0)} %`,
    );
    this.expect(
      isSame(recorded),
      `the status has ${JSON.stringify(expected)}, the API ${JSON.stringify(recorded)}`,
    );
  }

  private promoted(version: string): Promise<void> {
    return this.watch.until(
      `${version} promoted`,
      (api) => api?.status?.phase === 'Ready' && api.status.stableImage === imageOf(version),
    );
  }
}
