/** For each alert, series for which it fires, and similar ones for which it does not. */
/** Series in promtool's notation, one value per minute: `0+2x30` increases by 2 per minute for 30 minutes. */
export type Series = Record<string, string>;

export interface Case {
  fires: Series;
  /** Similar series for which the alert must not fire. */
  quiet: Series;
  andFires?: Series[];
  andQuiet?: Series[];
  /** Labels of the alert besides its severity. */
  labels: Record<string, string>;
  /** Rendered annotations that contain a label or a value. */
  says: { summary: string; description?: string };
  /** Evaluation time. Default: 45 minutes. */
  at?: string;
}

const pcf = { namespace: 'platform', name: 'api' };
const series = (metric: string, labels: Record<string, string>) =>
  `${metric}{${Object.entries(labels)
    .map(([key, value]) => `${key}="${value}"`)
    .join(',')}}`;
const of = (metric: string, labels: Record<string, string> = {}) => series(metric, { ...pcf, ...labels });
const condition = (type: string, status: string, reason: string) =>
  of('pcf_condition', { type, status, reason });

const serving = {
  namespace: 'platform',
  app_kubernetes_io_instance: 'api',
  pcf_dev_revision: 'api-new',
};
const served = (metric: string, labels: Record<string, string> = {}) =>
  series(metric, { ...serving, ...labels });
const queue = { name: 'pcfapi', controller: 'pcfapi' };
const lease = { namespace: 'pcf-system', name: 'pcf-operator' };
const always = (value: number) => `${value}x60`;

export const cases: Record<string, Case> = {
  PcfApiFailed: {
    fires: { [condition('Stalled', 'True', 'NameConflict')]: always(1) },
    quiet: {
      [condition('Stalled', 'False', 'Ready')]: always(1),
      [condition('Ready', 'True', 'Ready')]: always(1),
    },
    labels: { ...pcf, reason: 'NameConflict' },
    says: { summary: 'platform/api requires manual action: NameConflict' },
  },
  PcfApiStableUnavailable: {
    // Ready reports an aborted delivery.
    fires: {
      [condition('Degraded', 'True', 'StableUnavailable')]: always(1),
      [condition('Ready', 'False', 'CrashLoop')]: always(1),
    },
    quiet: { [condition('Degraded', 'True', 'ContractFailed')]: always(1) },
    labels: pcf,
    says: { summary: 'No pod of the stable revision of platform/api is ready' },
  },
  PcfApiDegraded: {
    // The Ready condition and the phase stay healthy.
    fires: {
      [condition('Degraded', 'True', 'ContractFailed')]: always(1),
      [condition('Ready', 'True', 'Ready')]: always(1),
      [of('pcf_phase', { phase: 'Ready' })]: always(1),
    },
    // Pods that start for four minutes, which a change of replicas causes.
    quiet: {
      [condition('Degraded', 'False', 'AsExpected')]: '1x40 _x4 1x20',
      [condition('Degraded', 'True', 'PodsNotReady')]: '_x41 1x3 stale',
    },
    labels: { ...pcf, reason: 'ContractFailed' },
    says: { summary: 'platform/api has been degraded for 5 minutes: ContractFailed' },
  },
  PcfApiDeliveryStuck: {
    fires: {
      [of('pcf_phase', { phase: 'Migrating' })]: '1x20 0x40',
      [of('pcf_phase', { phase: 'Progressing' })]: '0x20 1x40',
    },
    // A backfill that runs for an hour.
    quiet: {
      [of('pcf_phase', { phase: 'Migrating' })]: always(1),
      [condition('Reconciling', 'True', 'Migrating')]: always(1),
      [of('pcf_migration_state', { state: 'Running' })]: always(1),
    },
    andQuiet: [{ [of('pcf_phase', { phase: 'Migrating' })]: '0x20 1x25 0x20' }],
    // A migration that fails repeatedly, and a migration that has not started.
    andFires: [
      {
        [of('pcf_phase', { phase: 'Migrating' })]: always(1),
        [condition('Reconciling', 'True', 'MigrationRetrying')]: always(1),
        [of('pcf_migration_state', { state: 'Running' })]: always(1),
      },
      {
        [of('pcf_phase', { phase: 'Migrating' })]: always(1),
        [condition('Reconciling', 'True', 'Migrating')]: always(1),
        [of('pcf_migration_state', { state: 'Running' })]: always(0),
      },
    ],
    labels: pcf,
    says: { summary: 'The delivery of platform/api has not completed for 30 minutes' },
  },
  PcfApiWeightLimited: {
    fires: { [of('pcf_desired_weight')]: always(50), [of('pcf_effective_weight')]: always(33) },
    quiet: { [of('pcf_desired_weight')]: always(50), [of('pcf_effective_weight')]: always(50) },
    andQuiet: [
      {
        [of('pcf_desired_weight')]: always(50),
        [of('pcf_effective_weight')]: always(33),
        [condition('Ready', 'True', 'WindowClosed')]: always(1),
      },
    ],
    labels: pcf,
    says: { summary: 'platform/api: the effective weight is 17 percentage points below the desired weight' },
  },
  PcfApiRepairLoop: {
    fires: { [of('pcf_drift_repairs_total', { kind: 'VirtualService' })]: '0+2x60' },
    // A manual edit.
    quiet: { [of('pcf_drift_repairs_total', { kind: 'VirtualService' })]: '0x20 5x40' },
    labels: { ...pcf, kind: 'VirtualService' },
    says: {
      summary: 'Another controller repeatedly reverts the VirtualService of platform/api',
      description: '30 repairs in 15 minutes. The Degraded condition names the field manager and the fields.',
    },
  },
  PcfApiHighChangeFailureRate: {
    fires: {
      [of('pcf_deliveries_total', { outcome: 'Aborted' })]: '0x5 3x55',
      [of('pcf_deliveries_total', { outcome: 'Promoted' })]: '0x5 1x55',
    },
    // A single delivery, which failed.
    quiet: {
      [of('pcf_deliveries_total', { outcome: 'Aborted' })]: '0x5 1x55',
      [of('pcf_deliveries_total', { outcome: 'Promoted' })]: always(0),
    },
    labels: pcf,
    says: { summary: '75% of the deliveries of platform/api in the last 24 hours failed' },
  },
  PcfAnalysisProviderErrors: {
    fires: {
      [series('pcf_analysis_measurements_total', { provider: 'Prometheus', outcome: 'Error' })]: '0+3x60',
      [series('pcf_analysis_measurements_total', { provider: 'Prometheus', outcome: 'Success' })]: '0+1x60',
    },
    quiet: {
      [series('pcf_analysis_measurements_total', { provider: 'Prometheus', outcome: 'Error' })]: '0+1x60',
      [series('pcf_analysis_measurements_total', { provider: 'Prometheus', outcome: 'Failure' })]: '0+3x60',
    },
    labels: { provider: 'Prometheus' },
    says: { summary: '75% of the measurements by Prometheus fail with an error' },
  },
  PcfNotificationsDropped: {
    fires: { [series('pcf_notifications_total', { kind: 'slack', outcome: 'dropped' })]: '0x30 3x30' },
    quiet: { [series('pcf_notifications_total', { kind: 'slack', outcome: 'sent' })]: '0x30 3x30' },
    labels: { kind: 'slack' },
    says: {
      summary: 'Notifications to slack were dropped',
      description:
        '3 notifications of the last 30 minutes were rejected or timed out. Events of the PcfApi have the error.',
    },
  },
  PcfApiHighErrorRate: {
    fires: {
      [served('http_request_duration_seconds_count', { status: '500' })]: '0+10x60',
      [served('http_request_duration_seconds_count', { status: '200' })]: '0+90x60',
    },
    quiet: {
      [served('http_request_duration_seconds_count', { status: '400' })]: '0+50x60',
      [served('http_request_duration_seconds_count', { status: '200' })]: '0+50x60',
    },
    labels: serving,
    says: { summary: 'api-new of platform/api fails 10% of its requests' },
  },
  PcfApiHighLatency: {
    fires: {
      [served('http_request_duration_seconds_bucket', { le: '1' })]: '0+80x60',
      [served('http_request_duration_seconds_bucket', { le: '4' })]: '0+100x60',
      [served('http_request_duration_seconds_bucket', { le: '+Inf' })]: '0+100x60',
    },
    quiet: {
      [served('http_request_duration_seconds_bucket', { le: '1' })]: '0+100x60',
      [served('http_request_duration_seconds_bucket', { le: '4' })]: '0+100x60',
      [served('http_request_duration_seconds_bucket', { le: '+Inf' })]: '0+100x60',
    },
    labels: serving,
    says: { summary: 'api-new of platform/api has a p99 latency of 3.85s' },
  },
  PcfApiDatabaseUnavailable: {
    fires: {
      [served('pcf_api_database_ready', { pod: 'a' })]: always(1),
      [served('pcf_api_database_ready', { pod: 'b' })]: always(0),
    },
    quiet: { [served('pcf_api_database_ready', { pod: 'a' })]: always(1) },
    labels: { namespace: 'platform', app_kubernetes_io_instance: 'api' },
    says: { summary: 'The database is unavailable to a pod of platform/api' },
  },
  PcfApiConnectionPoolSaturated: {
    fires: { [served('pcf_api_database_connections', { state: 'waiting' })]: always(4) },
    quiet: { [served('pcf_api_database_connections', { state: 'idle' })]: always(4) },
    labels: { namespace: 'platform', app_kubernetes_io_instance: 'api' },
    says: {
      summary: 'Requests of platform/api wait for database connections',
      description:
        '4 requests are waiting. The connection pool is too small for the load, or statements are slow.',
    },
  },
  PcfApiJobsUnreadable: {
    fires: {
      [served('pcf_api_jobs_unreadable', { pod: 'a', queue: 'webhook-delivery' })]: always(7),
      [served('pcf_api_jobs_unreadable', { pod: 'b', queue: 'webhook-delivery' })]: always(7),
    },
    // A worker of the other revision reads them.
    quiet: {
      [served('pcf_api_jobs_unreadable', { pod: 'a', queue: 'webhook-delivery' })]: always(7),
      [served('pcf_api_jobs_unreadable', { pod: 'b', queue: 'webhook-delivery' })]: always(0),
    },
    labels: { namespace: 'platform', app_kubernetes_io_instance: 'api', queue: 'webhook-delivery' },
    says: { summary: 'No worker of platform/api can read 7 jobs of webhook-delivery' },
  },
  PcfOperatorAbsent: {
    fires: { up: always(1) },
    quiet: { [series('controller_runtime_max_concurrent_reconciles', { controller: 'pcfapi' })]: always(8) },
    labels: { controller: 'pcfapi' },
    says: { summary: 'Prometheus scrapes no PCF operator' },
  },
  PcfOperatorNoLeader: {
    fires: {
      [series('leader_election_master_status', { ...lease, pod: 'a' })]: always(0),
      [series('leader_election_master_status', { ...lease, pod: 'b' })]: always(0),
    },
    // A change of the leader.
    quiet: {
      [series('leader_election_master_status', { ...lease, pod: 'a' })]: '1x44 0x20',
      [series('leader_election_master_status', { ...lease, pod: 'b' })]: '0x46 1x20',
    },
    labels: lease,
    says: { summary: 'The PCF operators in pcf-system have no leader' },
  },
  PcfOperatorMultipleLeaders: {
    fires: {
      [series('leader_election_master_status', { ...lease, pod: 'a' })]: always(1),
      [series('leader_election_master_status', { ...lease, pod: 'b' })]: always(1),
    },
    // The leader of another installation, which has its own Lease.
    quiet: {
      [series('leader_election_master_status', { ...lease, pod: 'a' })]: always(1),
      [series('leader_election_master_status', { ...lease, namespace: 'team', pod: 'b' })]: always(1),
    },
    labels: lease,
    says: { summary: '2 PCF operators in pcf-system are leaders at the same time' },
  },
  PcfOperatorReconcileErrors: {
    fires: {
      [series('controller_runtime_reconcile_errors_total', { controller: 'pcfapi' })]: '0+1x60',
      [series('controller_runtime_reconcile_total', { controller: 'pcfapi', result: 'error' })]: '0+1x60',
      [series('controller_runtime_reconcile_total', { controller: 'pcfapi', result: 'success' })]: '0+3x60',
    },
    quiet: {
      [series('controller_runtime_reconcile_errors_total', { controller: 'pcfapi' })]: '0+1x60',
      [series('controller_runtime_reconcile_total', { controller: 'pcfapi', result: 'success' })]: '0+30x60',
    },
    labels: { controller: 'pcfapi' },
    says: { summary: "25% of the operator's reconciles fail" },
  },
  PcfOperatorWorkerStuck: {
    fires: { [series('workqueue_longest_running_processor_seconds', queue)]: '0+60x60' },
    quiet: { [series('workqueue_longest_running_processor_seconds', queue)]: always(30) },
    labels: { name: 'pcfapi' },
    says: { summary: 'A reconcile has been running for 45m 0s' },
  },
  PcfOperatorHighQueueLatency: {
    fires: {
      [series('workqueue_queue_duration_seconds_bucket', { ...queue, le: '10' })]: '0+50x60',
      [series('workqueue_queue_duration_seconds_bucket', { ...queue, le: '30' })]: '0+100x60',
      [series('workqueue_queue_duration_seconds_bucket', { ...queue, le: '+Inf' })]: '0+100x60',
    },
    quiet: {
      [series('workqueue_queue_duration_seconds_bucket', { ...queue, le: '10' })]: '0+100x60',
      [series('workqueue_queue_duration_seconds_bucket', { ...queue, le: '30' })]: '0+100x60',
      [series('workqueue_queue_duration_seconds_bucket', { ...queue, le: '+Inf' })]: '0+100x60',
    },
    labels: { name: 'pcfapi' },
    says: { summary: 'PcfApis wait 29.6s in the work queue of the operator (p99)' },
  },
  PcfOperatorRequestErrors: {
    fires: {
      [series('rest_client_requests_total', { method: 'PATCH', code: '403' })]: '0+10x60',
      [series('rest_client_requests_total', { method: 'PATCH', code: '<error>' })]: '0+10x60',
      [series('rest_client_requests_total', { method: 'PATCH', code: '200' })]: '0+80x60',
    },
    // Responses in a cluster without Istio, and conflicts of concurrent writers.
    quiet: {
      [series('rest_client_requests_total', { method: 'GET', code: '404' })]: '0+50x60',
      [series('rest_client_requests_total', { method: 'PATCH', code: '409' })]: '0+50x60',
      [series('rest_client_requests_total', { method: 'PATCH', code: '200' })]: '0+50x60',
    },
    labels: {},
    says: { summary: "20% of the operator's requests to the API server fail" },
  },
};
