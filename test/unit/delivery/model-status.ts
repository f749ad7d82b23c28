/** The status that the operator would report for a model cluster, computed with the functions of the operator. */
import type { PcfApiStatus } from '../../../operator/api/v1alpha1/status.js';
import type { DeliveryPlan } from '../../../operator/delivery/delivery-plan.js';
import type { Observation } from '../../../operator/delivery/observation.js';
import type { MigrationView } from '../../../operator/migrations/migration-view.js';
import { findIssues } from '../../../operator/reconciler/issues.js';
import type { Observed } from '../../../operator/reconciler/observed.js';
import { statusOf } from '../../../operator/reconciler/pcfapi-status.js';
import { summarize } from '../../../operator/reconciler/summary.js';
import type { Summary } from '../../../operator/reconciler/summary-rule.js';
import { istio } from '../../../operator/traffic/istio.js';
import { none } from '../../../operator/traffic/none.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';
import type { ModelCluster } from './model-cluster.js';

const api = pcfApi();

export function reportStatus(
  cluster: ModelCluster,
  observation: Observation,
  plan: DeliveryPlan,
): { summary: Summary; status: PcfApiStatus } {
  const { canaryWeight, paused } = cluster.shown().settings;
  const observed = observedOf(cluster, observation);
  observed.api = { ...api, spec: { ...api.spec, canaryWeight, paused } };
  const summary = summarize(observed, plan, cluster.now);
  return {
    summary,
    status: statusOf(observed, plan, summary, findIssues(observed, [], plan), [], cluster.now),
  };
}

function observedOf({ settings }: ModelCluster, delivery: Observation): Observed {
  const migrations = delivery.revisions.map(({ name, migration, contract }) => {
    const view: MigrationView = {
      ...{ state: migration, failures: 0, failedMigrations: 0, lastMigration: 0, applied: [] },
      contract: contract ?? { state: 'Absent', hook: 'Disabled', attempt: 1 },
    };
    return [name, view] as const;
  });
  return {
    ...{ api, scaledApi: api, delivery, router: settings.split === 'exact' ? istio : none },
    ...{ revisions: new Map(), migrations: new Map(migrations), migrating: [], owned: [] },
    ...{ podless: [], withoutPod: new Map(), uncreated: new Map() },
    missingSecrets: delivery.startable ? [] : [{ name: 'pcf-api-secrets' }],
    ...{ missingKinds: [], userRoute: undefined, available: () => true, foreignAutoscalers: [] },
    ...{ liveRoute: undefined, hostConflicts: [] },
    trouble: new Map(),
    componentTroubles: [],
    readyReplicas: delivery.revisions.reduce((sum, { ready }) => sum + ready, 0),
    obsoleteReplicas: false,
  };
}
