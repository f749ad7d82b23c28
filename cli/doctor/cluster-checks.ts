/** Is the cluster ready for a PcfApi: the operator, its rights, the kinds that the spec leads to. */
import { FIELD_MANAGER, type PcfApi, VERSION } from '../../operator/api/v1alpha1/pcfapi.js';
import { render } from '../../operator/reconciler/render.js';
import {
  beforeContractKind,
  EndpointSliceKind,
  PcfApiKind,
  PodKind,
  SecretKind,
  ServiceAccountKind,
  typeOf,
} from '../../operator/resources/kinds.js';
import { isForbidden, isNotFound, type KubeClient } from '../../operator/runtime/kube-client.js';
import { collectionPath, type KubeObject, type ResourceType } from '../../operator/runtime/kube-types.js';
import { asAllowed, type Check, type Finding, type Patient } from './types.js';

const LeaseKind: ResourceType = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
};
const EventKind: ResourceType = {
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
};
const AccessReviewKind: ResourceType = {
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  namespaced: false,
};

export const clusterChecks: Check[] = [
  crdInstalled,
  asAllowed('operator', operatorRuns),
  operatorRights,
  kindsInstalled,
];

/** Which kinds there are may be asked by everybody; whether there is an object of them may not. */
async function crdInstalled({ client }: Patient): Promise<Finding> {
  const check = 'PcfApi CRD';
  if (await client.serves(PcfApiKind)) return { check, outcome: 'ok', message: `${VERSION} is served` };
  const remedy = 'kubectl apply --server-side -f crds/';
  return { check, outcome: 'fail', message: `it is not installed, or not of version ${VERSION}`, remedy };
}

async function operatorRuns({ client, operatorNamespace }: Patient): Promise<Finding> {
  const check = 'operator';
  const lease = await leaseOf(client, operatorNamespace);
  const { holderIdentity, renewTime, leaseDurationSeconds = 15 } = lease?.spec ?? {};
  const remedy = `install it, or say where it runs with --operator-namespace; look at its logs: kubectl logs -n ${operatorNamespace} deploy/pcf-operator`;
  if (!holderIdentity || !renewTime) {
    return { check, outcome: 'fail', message: `no operator leads in namespace ${operatorNamespace}`, remedy };
  }
  const silentSeconds = Math.round((Date.now() - Date.parse(renewTime)) / 1000);
  if (silentSeconds > 2 * leaseDurationSeconds) {
    return {
      check,
      outcome: 'fail',
      message: `${holderIdentity} led, and was last heard ${silentSeconds} s ago`,
      remedy,
    };
  }
  return { check, outcome: 'ok', message: `${holderIdentity} leads` };
}

interface Lease extends KubeObject {
  spec?: { holderIdentity?: string; renewTime?: string; leaseDurationSeconds?: number };
}

async function leaseOf(client: KubeClient, namespace: string): Promise<Lease | undefined> {
  return (await found(client.get(LeaseKind, namespace, FIELD_MANAGER))) as Lease | undefined;
}

/** The account of the pod that leads, by whatever name it was installed; undefined where that can't be seen. */
async function accountOf({ client, operatorNamespace }: Patient): Promise<string | undefined> {
  const lease = await leaseOf(client, operatorNamespace).catch(() => undefined);
  const [pod] = lease?.spec?.holderIdentity?.split('_') ?? [];
  const leader = pod && (await client.get(PodKind, operatorNamespace, pod).catch(() => undefined));
  return ((leader || {}) as Leader).spec?.serviceAccountName;
}

interface Leader {
  spec?: { serviceAccountName?: string };
}

interface Right {
  group: string;
  resource: string;
  subresource?: string;
  verb: string;
}

/** What the operator does with the objects that the PcfApi leads to, and with the PcfApi itself. Exported for tests. */
export function rightsFor(api: PcfApi): Right[] {
  const to = ({ group, plural: resource }: ResourceType, verbs: string[], subresource?: string) =>
    verbs.map((verb): Right => ({ group, resource, verb, ...(subresource ? { subresource } : {}) }));
  const look = ['list', 'watch'];
  const own = [...look, 'create', 'patch'];
  return [
    ...to(PcfApiKind, [...look, 'patch']),
    ...to(PcfApiKind, ['patch'], 'status'),
    ...[PodKind, SecretKind, EndpointSliceKind].flatMap((type) => to(type, look)),
    ...to(EventKind, ['list', 'create', 'patch']),
    // It outlives everything else of its PcfApi, and goes with it.
    ...kindsOf(api).flatMap((type) => to(type, type === ServiceAccountKind ? own : [...own, 'delete'])),
  ];
}

/** Asks the API server whether the operator's account may do what this PcfApi leads to. */
async function operatorRights(patient: Patient): Promise<Finding> {
  const check = "operator's rights";
  const { client, api, operatorNamespace } = patient;
  const seen = await accountOf(patient);
  const account = seen ?? FIELD_MANAGER;
  const user = `system:serviceaccount:${operatorNamespace}:${account}`;
  const { namespace } = api.metadata;
  const answers = await Promise.all(
    rightsFor(api).map(async (right) => ({
      right,
      allowed: await isAllowed(client, user, namespace, right),
    })),
  );
  if (answers.some(({ allowed }) => allowed === undefined))
    return { check, outcome: 'skipped', message: 'your own account may not ask (subjectaccessreviews)' };
  const denied = Map.groupBy(
    answers.filter(({ allowed }) => !allowed),
    ({ right: { group, resource, subresource } }) =>
      [resource, subresource].filter(Boolean).join('/') + (group && `.${group}`),
  );
  if (denied.size === 0)
    return { check, outcome: 'ok', message: `${account} may do all that the spec leads to` };
  const each = [...denied].map(([what, of]) => `${of.map(({ right }) => right.verb).join(', ')} ${what}`);
  return {
    check,
    outcome: seen ? 'fail' : 'warn',
    message: `${seen ? account : `${account}, if it runs as that,`} may not ${each.join('; ')}`,
    remedy: "apply the operator's ClusterRole and its binding of this version",
  };
}

async function isAllowed(
  client: KubeClient,
  user: string,
  namespace: string,
  right: Right,
): Promise<boolean | undefined> {
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: { name: '' },
    spec: { user, resourceAttributes: { ...right, namespace } },
  };
  const answer = await client.create(AccessReviewKind, review).catch((error: unknown) => {
    if (!isForbidden(error)) throw error;
    return undefined;
  });
  return (answer as { status?: { allowed?: boolean } } | undefined)?.status?.allowed;
}

async function kindsInstalled({ client, api }: Patient): Promise<Finding> {
  const check = 'kinds';
  const missing: string[] = [];
  for (const type of kindsOf(api)) {
    if (!(await client.serves(type))) missing.push(`${type.kind} (${type.group})`);
  }
  if (missing.length === 0)
    return { check, outcome: 'ok', message: 'the cluster has all that the spec leads to' };
  return {
    check,
    outcome: 'fail',
    message: `the cluster has no ${missing.join(', ')}`,
    remedy: 'install the project each belongs to, or take out of spec what asks for it',
  };
}

function kindsOf(api: Patient['api']): ResourceType[] {
  const { beforeContract } = api.spec.migrations ?? {};
  const types = [...render(api).map(typeOf), ...(beforeContract ? [beforeContractKind(beforeContract)] : [])];
  return [...new Map(types.map((type) => [collectionPath(type), type])).values()];
}

async function found<T>(request: Promise<T>): Promise<T | undefined> {
  return request.catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
}
