/**
 * Reasons of the conditions Ready and Degraded, with their meaning. docs/operate.md says for each what to do. Once the
 * operator is released, a reason is not renamed: alerts and scripts compare it.
 */
export const REASONS = {
  // Ready: the spec is applied, or is being applied.
  Ready: 'the stable revision serves all traffic',
  CanaryHolding: 'the new revision has the desired weight and holds it',
  Promoting: 'the new revision has all traffic and is being promoted',
  Paused: 'spec.paused pauses the delivery',
  WindowClosed: 'a closed window, or a freeze, holds the next step of the delivery',
  FreezeNotMeasured: 'the first measurement of windows.freezeWhen is in progress',
  ApprovalNeeded: 'the planned migrations wait for an approval',
  SchemaInUse: 'clients use what the new GraphQL schema breaks',
  JobsIncompatible: "workers of two revisions cannot process each other's jobs",
  NotStarted: 'the delivery is about to start',
  Migrating: 'the migration Jobs of the new revision run',
  Deleting: 'the PcfApi is being deleted',

  // Ready: a condition that can resolve without manual action blocks the delivery.
  SecretMissing: 'a Secret, or a key in it, does not exist',
  TrafficProviderMissing: 'the CRDs of the traffic provider are not installed',
  GatewayFeatureUnsupported: 'the class of a Gateway does not support what the spec requires',
  RouteMissing: 'the route of traffic.routeRef does not exist, or has no rule for this PcfApi',
  RouteIncompatible: 'the route of traffic.routeRef cannot have the rules of a delivery',
  PodsNotReady: 'pods of a revision are not ready',
  WeightLimited: 'too few pods are ready for the desired weight',
  RouteNotVerified: 'the route has not been read back yet',
  RouteRejected: 'the controller of the Gateway rejects the route',
  StableUnavailable: 'no pod of the stable revision is ready',
  MigrationRetrying: 'a migration Job failed and is retried',
  WebhookFailed: 'an admission webhook failed during a write',
  ApiServerError: 'the API server failed during a write',

  // Ready: manual action is required.
  MigrationFailed: 'the migrations failed permanently',
  MigrationRefused: 'the migrations, or the API, refused to start',
  CrashLoop: 'pods of the new revision crash repeatedly',
  ImagePullFailed: 'the image cannot be pulled',
  ProgressDeadlineExceeded: 'no more pods became ready for progressDeadline',
  AnalysisFailed: 'a metric exceeded its failure limit, or a sequential test found a regression',
  AbortRequested: 'the delivery was aborted on request',
  BelowRollbackFloor: 'the schema no longer supports the revision in the spec',
  NameConflict: 'a required object exists and has another owner',
  Invalid: 'the API server, a policy or a webhook rejects an object',
  Forbidden: 'the operator lacks a permission, or a quota is exceeded',
  ReconcileFailed: 'a reconcile failed, or its status was rejected',

  // Degraded: a fault outside the delivery.
  ContractFailed: 'the contract migrations failed',
  BeforeContractFailed: 'the backup before contract failed',
  ComponentUnavailable: 'pods of the worker or the login cannot start',
  CRDMissing: 'the CRD of a kind that the spec requires is not installed',
  CertificateUnreachable: 'an Istio gateway of another namespace cannot read the certificate',
  HostConflict: 'an older route claims a host at the same gateway',
  PodsNotCreated: 'a controller cannot create pods',
  ConnectionBudgetExceeded: 'the pods may open more connections than database.maxConnections',
  AutoscalerConflict: 'another HorizontalPodAutoscaler scales this PcfApi',
  AutoscalerMetricsConflict: 'an autoscaler of the user has metrics that need different pods',
  ReplicasConflict: 'spec.replicas is set in the manifest and by an autoscaler',
  SigningKeyNotRotated: 'the operator cannot rotate the signing key of tokens',
  WindowInvalid: 'a window, a freeze or an override cannot be evaluated',
  ApprovalLinksUnavailable: 'the operator has no public URL for approval links',
  RepairLoop: 'another controller reverts each repair of an object',
} as const satisfies Record<string, string>;

export type Reason = keyof typeof REASONS;
