/** The collaborators of the reconciler. */
import type { Logger } from 'pino';
import type { Analyst } from '../analysis/analyst.js';
import type { FreezeQueries } from '../analysis/freeze-queries.js';
import type { FinishedJobs } from '../migrations/finished-jobs.js';
import type { MigrationProgress } from '../migrations/live-reports.js';
import type { Notifier } from '../notify/notifier.js';
import type { Reporter } from '../notify/reporter.js';
import type { EventRecorder } from '../runtime/events.js';
import type { KubeClient } from '../runtime/kube-client.js';
import type { Actor } from './act.js';
import type { Caches } from './caches.js';
import type { DeliveryMetrics } from './delivery-metrics.js';
import type { Metrics } from './pcfapi-metrics.js';
import type { PodCreationEvents } from './pod-creation-events.js';
import type { SigningKeyWriter } from './signing-key-writer.js';

export interface ReconcilerDependencies {
  client: KubeClient;
  caches: Caches;
  actor: Actor;
  events: EventRecorder;
  analyst: Analyst;
  freezeQueries: FreezeQueries;
  notifier: Notifier;
  /** Whether this operator serves approval links. */
  hasApprovalLinks: boolean;
  reporter: Reporter;
  migrationProgress: MigrationProgress;
  finishedJobs: FinishedJobs;
  podCreation: PodCreationEvents;
  signingKeys: SigningKeyWriter;
  metrics: Metrics;
  deliveryMetrics: DeliveryMetrics;
  logger: Logger;
  /** Milliseconds since the epoch. Monotonic. */
  clock: () => number;
  /** Milliseconds since the epoch, of the system clock: for times that users give or read. */
  wallClock: () => number;
}
