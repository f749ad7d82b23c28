/** Is the cluster ready for a PcfApi: the operator, its rights, the kinds that the spec leads to. */
import { GROUP, PLURAL, VERSION } from '../../operator/api/v1alpha1/pcfapi.js';
import { render } from '../../operator/reconciler/render.js';
import { beforeContractKind, typeOf } from '../../operator/resources/kinds.js';
import { isNotFound, type KubeClient } from '../../operator/runtime/kube-client.js';
import { collectionPath, type KubeObject, type ResourceType } from '../../operator/runtime/kube-types.js';
import type { Check, Finding, Patient } from './types.js';

const CrdKind: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
};
const LeaseKind: ResourceType = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
};
const AccessReviewKind: ResourceType = {
  group: 'authorization.k8s.io',
  version: 'v1',
  kind: 'SubjectAccessReview',
  plural: 'subjectaccessreviews',
  namespaced: false,
};

export const clusterChecks: Check[] = [crdInstalled, operatorRuns, operatorRights, kindsInstalled];

async function crdInstalled({ client }: Patient): Promise<Finding> {
  const check = 'PcfApi CRD';
  const crd = (await found(client.get(CrdKind, undefined, `${PLURAL}.${GROUP}`))) as
    | (KubeObject & { spec: { versions: { name: string; served: boolean }[] } })
    | undefined;
  const remedy = 'kubectl apply --server-side -f crds/';
  if (!crd) return { check, outcome: 'fail', message: 'it is not installed', remedy };
  const served = crd.spec.versions.some(({ name, served }) => name === VERSION && served);
  if (!served) return { check, outcome: 'fail', message: `version ${VERSION} is not served`, remedy };
  return { check, outcome: 'ok', message: `${VERSION} is served` };
}

async function operatorRuns({ client, operatorNamespace }: Patient): Promise<Finding> {
  const check = 'operator';
  const lease = (await found(client.get(LeaseKind, operatorNamespace, 'pcf-operator'))) as
    | (KubeObject & { spec?: { holderIdentity?: string; renewTime?: string; leaseDurationSeconds?: number } })
    | undefined;
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

/** Asks the API server whether the operator's account may write what this PcfApi leads to. */
async function operatorRights({ client, api, operatorNamespace }: Patient): Promise<Finding> {
  const check = "operator's rights";
  const denied: string[] = [];
  for (const { group, plural } of kindsOf(api)) {
    const allowed = await mayPatch(client, group, plural, api.metadata.namespace, operatorNamespace);
    if (allowed === undefined) {
      return { check, outcome: 'skipped', message: 'your own account may not ask (subjectaccessreviews)' };
    }
    if (!allowed) denied.push(group ? `${plural}.${group}` : plural);
  }
  if (denied.length === 0)
    return { check, outcome: 'ok', message: 'it may write all that the spec leads to' };
  return {
    check,
    outcome: 'fail',
    message: `it may not write ${denied.join(', ')}`,
    remedy: "apply the operator's ClusterRole and its binding of this version",
  };
}

async function mayPatch(
  client: KubeClient,
  group: string,
  resource: string,
  namespace: string,
  operatorNamespace: string,
): Promise<boolean | undefined> {
  const user = `system:serviceaccount:${operatorNamespace}:pcf-operator`;
  const spec = { user, resourceAttributes: { group, resource, namespace, verb: 'patch' } };
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: { name: '' },
    spec,
  };
  const answer = await client.create(AccessReviewKind, review).catch(() => undefined);
  return (answer as { status?: { allowed?: boolean } } | undefined)?.status?.allowed;
}

async function kindsInstalled({ client, api }: Patient): Promise<Finding> {
  const check = 'kinds';
  const missing: string[] = [];
  for (const type of kindsOf(api)) {
    if (!(await isServed(client, type))) missing.push(`${type.kind} (${type.group})`);
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

async function isServed(client: KubeClient, type: ResourceType): Promise<boolean> {
  return client.list(type, { limit: 1 }).then(
    () => true,
    (error: unknown) => !isNotFound(error),
  );
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
