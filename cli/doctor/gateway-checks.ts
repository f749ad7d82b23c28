/** Checks whether the classes of the Gateways support what the spec requires. */
import { GatewayClassKind, GatewayKind, HttpRouteKind } from '../../operator/resources/kinds.js';
import { isNotFound, type KubeClient } from '../../operator/runtime/kube-client.js';
import type { KubeObject, ResourceType } from '../../operator/runtime/kube-types.js';
import {
  type GatewayClassView,
  type ParentGateway,
  parentGateways,
  supportedFeatures,
  unsupportedFeatures,
} from '../../operator/traffic/gateway-features.js';
import { asAllowed, type Check, type Finding, type Subject } from './types.js';

const CHECK = 'gateway';

export const gatewayChecks: Check[] = [asAllowed(CHECK, gateways)];

async function gateways({ client, api }: Subject): Promise<Finding | Finding[]> {
  const { routeRef } = api.spec.traffic ?? {};
  const route = routeRef && (await found(client, HttpRouteKind, api.metadata.namespace, routeRef.name));
  const parents = parentGateways(api, route);
  if (parents.length === 0) return []; // another provider, or a route that the operator reports as missing
  const classes: GatewayClassView[] = [];
  for (const parent of parents) {
    const view = await classOf(client, parent);
    if ('outcome' in view) return view;
    classes.push(view);
  }
  const problem = unsupportedFeatures(api, classes);
  if (problem) return { check: CHECK, outcome: 'fail', message: problem, remedy: 'see docs/gateways.md' };
  const silent = classes.filter(({ supported }) => supported.length === 0);
  if (silent.length > 0) {
    const names = silent.map(({ className }) => className).join(', ');
    return { check: CHECK, outcome: 'skipped', message: `GatewayClass ${names} reports no features` };
  }
  const names = [...new Set(classes.map(({ className }) => className))].join(', ');
  return { check: CHECK, outcome: 'ok', message: `GatewayClass ${names} supports what the spec requires` };
}

async function classOf(client: KubeClient, parent: ParentGateway): Promise<GatewayClassView | Finding> {
  const { namespace, name } = parent;
  const gateway = parent.className ? undefined : await found(client, GatewayKind, namespace, name);
  const { gatewayClassName } = (gateway?.spec ?? {}) as { gatewayClassName?: string };
  const className = parent.className ?? gatewayClassName;
  if (!className)
    return {
      check: CHECK,
      outcome: 'fail',
      message: `Gateway ${namespace}/${name} does not exist`,
      remedy: 'create it, or change spec.traffic.gateways',
    };
  const gatewayClass = await found(client, GatewayClassKind, undefined, className);
  if (!gatewayClass)
    return {
      check: CHECK,
      outcome: 'fail',
      message: `GatewayClass ${className} does not exist`,
      remedy: 'install its gateway, or use another class',
    };
  return { gateway: `${namespace}/${name}`, className, supported: supportedFeatures(gatewayClass) };
}

async function found(
  client: KubeClient,
  type: ResourceType,
  namespace: string | undefined,
  name: string,
): Promise<KubeObject | undefined> {
  return client.get(type, namespace, name).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
}
