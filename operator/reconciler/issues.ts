/**
 * Issues: faults outside the delivery that require manual action, for the Degraded condition. All of them are
 * reported, the most severe first.
 */
import { ENV } from '../../contract/image.js';
import { replicasChosenBy } from '../api/v1alpha1/defaults.js';
import type { Reason } from '../api/v1alpha1/reasons.js';
import { windowRevision } from '../delivery/contract-window.js';
import type { DeliveryPlan } from '../delivery/delivery-plan.js';
import type { RevisionView } from '../delivery/observation.js';
import { allFindings, type Finding, type Rule } from '../delivery/rule-chain.js';
import { schemaMessage } from '../delivery/schema-check.js';
import { connectionsNeeded, LEAST_PER_POD, mostPods } from '../resources/connection-budget.js';
import type { Revision } from '../resources/revision.js';
import { metricNames } from '../resources/scale-view.js';
import type { RepairLoop } from '../runtime/repair-loops.js';
import { currentScaleView, isAutoscaled } from './autoscaling.js';
import { hostConflictMessage } from './host-conflict.js';
import type { Observed } from './observed.js';
import { routeLimitMessage } from './route-trouble.js';

export type Issue = Finding<Reason>;

/** The messages contain no count and no time, so that they are written once. */
export function repairLoops(loops: readonly RepairLoop[]): Issue[] {
  return loops.map(({ object, manager, fields }) => ({
    reason: 'RepairLoop',
    message: `${manager} reverts each repair of ${fields.join(', ')} of ${object}, so repairs are delayed: exclude the object from its management, or set the value in the PcfApi`,
  }));
}

/** A kind that the spec requires and whose CRD is not installed. */
export interface MissingKind {
  kind: string;
  group: string;
}

interface IssueInput {
  observed: Observed;
  missingKinds: readonly MissingKind[];
  plan: DeliveryPlan;
}
type IssueRule = Rule<IssueInput, Issue>;

const rules: readonly IssueRule[] = [
  stableUnavailable,
  stableNotReady,
  podsNotCreated,
  windowFailed,
  contractFailed,
  componentUnavailable,
  crdMissing,
  certificateUnreachable,
  hostConflict,
  routeIncompatible,
  connectionBudget,
  autoscalerConflict,
  metricsConflict,
  replicasConflict,
  signingKeysNotRotated,
  windowInvalid,
  approvalLinksUnavailable,
  schemaInUse,
];

export function findIssues(
  observed: Observed,
  missingKinds: readonly MissingKind[],
  plan: DeliveryPlan,
): Issue[] {
  return allFindings(rules, { observed, missingKinds, plan });
}

function approvalLinksUnavailable({ observed }: IssueInput): Issue | undefined {
  const { api, hasApprovalLinks } = observed;
  if (!api.spec.notifications?.approvalLinks || hasApprovalLinks !== false) return undefined;
  return {
    reason: 'ApprovalLinksUnavailable',
    message:
      'notifications.approvalLinks is not in effect: the operator has no public URL for them; set approvals.url of the Helm chart, or remove approvalLinks',
  };
}

/** The stable revision if it should have pods and none of them is ready. */
export function unavailableStable({ delivery }: Observed, plan: DeliveryPlan): RevisionView | undefined {
  const stable = delivery.revisions.find(({ name }) => name === plan.position.stable);
  if (!stable || stable.ready > 0 || !plan.replicas[stable.name]) return undefined;
  return stable;
}

/** Reported even if Ready has another reason, such as an aborted delivery. Ready has the error of the pods. */
function stableUnavailable({ observed, plan }: IssueInput): Issue | undefined {
  const stable = unavailableStable(observed, plan);
  if (!stable) return undefined;
  return {
    reason: 'StableUnavailable',
    message: `no pod of the stable revision ${stable.name} is ready`,
  };
}

/** The stable revision if some of its pods are not ready. */
export function weakenedStable({ delivery }: Observed, plan: DeliveryPlan): RevisionView | undefined {
  const stable = delivery.revisions.find(({ name }) => name === plan.position.stable);
  const desired = plan.replicas[stable?.name ?? ''] ?? 0;
  return stable && stable.ready > 0 && stable.ready < desired ? stable : undefined;
}

/** Reported even if the Ready condition concerns the new revision. */
function stableNotReady({ observed, plan }: IssueInput): Issue | undefined {
  const stable = weakenedStable(observed, plan);
  if (!stable) return undefined;
  const { name, ready } = stable;
  const trouble = observed.trouble.get(name);
  return {
    reason: 'PodsNotReady',
    message: `${ready} of ${plan.replicas[name]} pods of the stable revision ${name} are ready${trouble ? `; ${trouble}` : ''}`,
  };
}

/** Includes pods of the worker, the login and an analysis, which do not block a revision. */
function podsNotCreated({ observed: { uncreated } }: IssueInput): Issue | undefined {
  if (uncreated.size === 0) return undefined;
  return { reason: 'PodsNotCreated', message: [...uncreated.values()].join('; ') };
}

/** The traffic is not affected; the database still has the old schema objects. */
function contractFailed({ observed: { api, delivery, migrations } }: IssueInput): Issue | undefined {
  const { stable = '', promotedAt } = delivery.position;
  const { contract, contractError } = migrations.get(stable) ?? {};
  const isFailed = contract?.state === 'Failed' || contract?.hook === 'Failed';
  if (!isFailed || !promotedAt) return undefined;
  const isHook = contract.hook === 'Failed';
  const what = isHook ? 'beforeContract' : 'the contract migrations';
  return {
    reason: isHook ? 'BeforeContractFailed' : 'ContractFailed',
    message: `${what} of ${stable} failed: ${contractError}; fix it, then: kubectl pcf migrate approve ${api.metadata.name}`,
  };
}

/** A restore or purge that failed. Another revision may have been promoted since the contract. */
function windowFailed({ observed: { delivery, migrations } }: IssueInput): Issue | undefined {
  const revision = windowRevision(delivery.revisions, delivery.position) ?? '';
  const { contract, contractError, job } = migrations.get(revision) ?? {};
  const { restore, purge } = contract?.window ?? {};
  const stage = restore === 'Failed' ? 'restore' : purge === 'Failed' ? 'purge' : undefined;
  if (!stage) return undefined;
  return {
    reason: 'ContractFailed',
    message: `the ${stage} of the contract migrations of ${revision} failed: ${contractError}; fix it, then delete Job ${job}, which is created again`,
  };
}

/** A delivery does not wait for the worker or the login, so no other condition reports it. */
function componentUnavailable({ observed: { componentTroubles } }: IssueInput): Issue | undefined {
  if (componentTroubles.length === 0) return undefined;
  const each = componentTroubles.map(({ component, trouble }) => `${component} does not run: ${trouble}`);
  return { reason: 'ComponentUnavailable', message: each.join('; ') };
}

/** Projects that install the optional kinds, by API group. */
const projects: Record<string, string> = {
  'autoscaling.k8s.io': 'the Vertical Pod Autoscaler',
  'monitoring.coreos.com': 'the Prometheus operator',
  'cert-manager.io': 'cert-manager',
  'external-secrets.io': 'External Secrets',
  'gateway.networking.k8s.io': 'the Gateway API',
  'snapshot.storage.k8s.io': 'the snapshot controller and its CRDs',
  'postgresql.cnpg.io': 'CloudNativePG',
};

/** Missing kinds of the traffic provider are reported by Ready: no request is routed. */
function crdMissing({ observed, missingKinds }: IssueInput): Issue | undefined {
  const isRequired = ({ kind }: MissingKind) =>
    observed.missingKinds.some((required) => required.kind === kind);
  const optional = missingKinds.filter((missing) => !isRequired(missing));
  if (optional.length === 0) return undefined;
  const each = optional.map(
    ({ kind, group }) =>
      `${kind} (${group}): install ${projects[group] ?? 'it'}, or remove the fields of spec that require it`,
  );
  return { reason: 'CRDMissing', message: `the cluster does not have ${each.join('; ')}` };
}

/**
 * A Gateway of Istio reads its credential from its own namespace, because the agent in its pods may
 * read Secrets only there. https://istio.io/latest/docs/tasks/traffic-management/ingress/secure-ingress/
 */
function certificateUnreachable({ observed: { api } }: IssueInput): Issue | undefined {
  const { tls, traffic } = api.spec;
  const { namespace } = api.metadata;
  if (!tls || traffic?.provider !== 'Istio') return undefined;
  const gateway = traffic.gateways.find((name) => name.includes('/') && !name.startsWith(`${namespace}/`));
  if (!gateway) return undefined;
  const [elsewhere] = gateway.split('/');
  return {
    reason: 'CertificateUnreachable',
    message:
      `the gateway ${gateway} reads its certificate from namespace ${elsewhere}, and tls stores it in ${namespace}: ` +
      `create the Certificate or Secret in ${elsewhere} and remove tls, or use a gateway in ${namespace}`,
  };
}

/** Reported by the newer of two routes that claim a host: the older one served it before. */
function hostConflict({ observed: { hostConflicts } }: IssueInput): Issue | undefined {
  const message = hostConflictMessage(hostConflicts);
  return message ? { reason: 'HostConflict', message } : undefined;
}

function routeIncompatible({ observed }: IssueInput): Issue | undefined {
  const limit = routeLimitMessage(observed);
  if (!limit) return undefined;
  const effect = 'no new revision gets pods, and a delivery that has started continues without these rules';
  return { reason: 'RouteIncompatible', message: `${limit}; until then ${effect}` };
}

function connectionBudget({
  observed: { api, scaledApi, revisions, delivery },
}: IssueInput): Issue | undefined {
  const budget = api.spec.database.maxConnections;
  if (budget === undefined) return undefined;
  const inUse = delivery.revisions.filter(({ replicas }) => replicas > 0).map(({ name }) => name);
  const perPod = Math.max(
    LEAST_PER_POD,
    ...inUse.flatMap((name) => connectionsOf(revisions.get(name)) ?? []),
  );
  const pods = mostPods(api, scaledApi);
  const needed = connectionsNeeded(pods, perPod);
  if (needed <= budget) return undefined;
  return {
    reason: 'ConnectionBudgetExceeded',
    message:
      `${pods} pods with ${perPod} connections each, and the migrations, may open ${needed} connections, ` +
      `more than database.maxConnections ${budget}: raise it, or lower the number of pods`,
  };
}

function connectionsOf(revision: Revision | undefined): number | undefined {
  const value = revision?.template.spec.containers[0].env.find(
    ({ name }) => name === ENV.databaseMaxConnections,
  )?.value;
  return value === undefined ? undefined : Number(value);
}

function autoscalerConflict({ observed: { api, foreignAutoscalers } }: IssueInput): Issue | undefined {
  const [other] = foreignAutoscalers;
  if (!other || !api.spec.autoscaling?.horizontal) return undefined;
  return {
    reason: 'AutoscalerConflict',
    message: `HorizontalPodAutoscaler ${other.name} scales this PcfApi too, so autoscaling.horizontal is not in effect: delete one of them`,
  };
}

/** CPU must be measured over the pods of all revisions, memory over those of one; an autoscaler has one selector for both. */
function metricsConflict({ observed, plan }: IssueInput): Issue | undefined {
  if (observed.foreignAutoscalers.length === 0) return undefined;
  const { revision, perPod, shared } = currentScaleView(observed, plan);
  if (!revision || perPod.length === 0 || shared.length === 0) return undefined;
  const [load, flat] = [metricNames(shared), metricNames(perPod)];
  const others = observed.foreignAutoscalers.map(({ name }) => name).join(' and ');
  return {
    reason: 'AutoscalerMetricsConflict',
    message:
      `HorizontalPodAutoscaler ${others} scales on ${load} and on ${flat}, which does not fall when pods are added: while two ` +
      `revisions share the traffic it measures only the pods of ${revision}, and therefore only a part of ${load}; ` +
      `deliver with BlueGreen, remove ${flat} from it, or use autoscaling.horizontal, which does not use ${flat} during that time`,
  };
}

function replicasConflict({ observed }: IssueInput): Issue | undefined {
  const chooser = replicasChosenBy(observed.api);
  if (!chooser || !isAutoscaled(observed)) return undefined;
  return {
    reason: 'ReplicasConflict',
    message: `spec.replicas is set by ${chooser} and by an autoscaler: remove it from the manifest, or disable the autoscaler`,
  };
}

function signingKeysNotRotated({ observed: { signingKeys } }: IssueInput): Issue | undefined {
  if (!signingKeys || !('blocked' in signingKeys)) return undefined;
  return { reason: 'SigningKeyNotRotated', message: signingKeys.blocked };
}

function windowInvalid({ observed: { gate } }: IssueInput): Issue | undefined {
  if (!gate || gate.problems.length === 0) return undefined;
  return { reason: 'WindowInvalid', message: gate.problems.join('; ') };
}

/** With `api.schemaCheck.mode: Warn`. With Block, Ready reports it. */
function schemaInUse({ plan: { schemaInUse: found } }: IssueInput): Issue | undefined {
  if (!found || found.isBlocking) return undefined;
  return { reason: 'SchemaInUse', message: `${found.revision} breaks clients: ${schemaMessage(found)}` };
}
