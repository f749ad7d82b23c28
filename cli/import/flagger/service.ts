/** Converts the Service and the routing of a Canary to `spec.traffic` and `spec.service`. */
import { externalHosts, gatewayName, isGateway } from '../common/routes.js';
import type { Conversion } from '../conversion.js';
import type { Field } from '../source.js';

export type Provider = 'Istio' | 'GatewayAPI' | 'None';

const OWN_ROUTE = 'set them in a route of your own, and name it in spec.traffic.routeRef';
const ROUTE_SETTINGS = [
  'timeout',
  'backendTimeout',
  'match',
  'rewrite',
  'retries',
  'headers',
  'corsPolicy',
  'mirror',
  'delegation',
];

/** Returns the provider of the PcfApi. */
export function convertService(conversion: Conversion, canary: Field): Provider {
  const service = canary.at('spec', 'service');
  const provider = providerOf(canary);
  reportService(service);
  convertMetadata(conversion, service);
  if (provider === 'Istio') convertIstio(conversion, canary, service);
  else if (provider === 'GatewayAPI') return convertGatewayApi(conversion, service);
  else
    for (const key of ['hosts', 'gateways', 'gatewayRefs'])
      service
        .at(key)
        .note(
          'NotConverted',
          'without a provider there is no route',
          'set spec.traffic.ingress for an Ingress',
        );
  return provider;
}

function providerOf(canary: Field): Provider {
  const field = canary.at('spec', 'provider');
  const service = canary.at('spec', 'service');
  const given = field.text();
  if (given === 'istio') return 'Istio';
  if (given?.startsWith('gatewayapi')) return 'GatewayAPI';
  if (given !== undefined) {
    const outcome = given === 'kubernetes' ? 'NotNeeded' : 'NotConverted';
    field.note(
      outcome,
      'the provider of a PcfApi is Istio, GatewayAPI or None',
      'set spec.traffic; with None the weight is the share of ready pods',
    );
    return 'None';
  }
  const guessed = service.at('gatewayRefs').isGiven
    ? 'GatewayAPI'
    : service.at('gateways').isGiven || service.at('hosts').isGiven
      ? 'Istio'
      : 'None';
  field.report(
    'Changed',
    `the provider is a flag of the controller: by the other fields it is ${guessed}`,
    'check spec.traffic.provider',
  );
  return guessed;
}

function convertIstio(conversion: Conversion, canary: Field, service: Field): void {
  const hosts = service.at('hosts');
  const external = externalHosts(hosts);
  for (const host of hosts.items()) {
    if (external.includes(String(host.value))) host.cover();
    else if (host.value === '*') host.note('NotConverted', 'a host must be a name', 'set spec.traffic.hosts');
    else host.note('NotNeeded', 'the operator routes the name of its Service in the mesh');
  }
  conversion.spec.set(['traffic', 'provider'], 'Istio');
  if (external.length > 0) conversion.spec.set(['traffic', 'hosts'], external, hosts);
  else conversion.spec.set(['traffic', 'hosts'], [conversion.nameFor(canary)]);
  const seen = new Set<string>();
  for (const gateway of service.at('gateways').items()) {
    const value = gateway.text()!;
    if (value === 'mesh' || seen.has(value)) gateway.note('NotNeeded', 'the operator adds the gateway mesh');
    else conversion.spec.append(['traffic', 'gateways'], value, gateway);
    seen.add(value);
  }
  service.at('gatewayRefs').note('NotConverted', 'they are of the Gateway API', 'set spec.traffic.gateways');
}

/** Without a host and a Gateway there can't be a route. */
function convertGatewayApi(conversion: Conversion, service: Field): Provider {
  const parents = service.at('gatewayRefs').items();
  const hosts = service.at('hosts');
  const usable = parents.filter(
    (parent) =>
      parent.at('name').isGiven && ['Gateway', undefined].includes(parent.at('kind').value as string),
  );
  service.at('gateways').note('NotConverted', 'they are of Istio', 'set spec.traffic.gateways');
  if (usable.length === 0 || hosts.items().length === 0) {
    for (const field of [hosts, service.at('gatewayRefs')])
      field.note('NotConverted', 'a route of the Gateway API needs a host and a Gateway', 'set spec.traffic');
    service.remark('Changed', 'spec.traffic.provider is None', 'set spec.traffic with hosts and gateways');
    return 'None';
  }
  conversion.spec.set(['traffic', 'provider'], 'GatewayAPI');
  conversion.spec.set(['traffic', 'hosts'], [...new Set(hosts.items().map((host) => host.text()!))]);
  const names = new Set<string>();
  for (const parent of parents) {
    if (!usable.includes(parent) || names.has(gatewayName(parent))) {
      parent.note(
        'NotConverted',
        'each Gateway is named once, as a whole',
        'use a route of your own with spec.traffic.routeRef',
      );
      continue;
    }
    names.add(gatewayName(parent));
    conversion.spec.append(['traffic', 'gateways'], gatewayName(parent), parent);
    for (const key of ['name', 'namespace', 'kind']) parent.at(key).cover();
    parent.at('group').note('NotNeeded', 'it is a Gateway of the Gateway API');
    if (!isGateway(parent))
      for (const key of ['sectionName', 'port'])
        parent
          .at(key)
          .note(
            'NotConverted',
            'the route attaches to all listeners of the Gateway',
            'use a route of your own with spec.traffic.routeRef',
          );
  }
  return 'GatewayAPI';
}

function reportService(service: Field): void {
  const port = service.at('port');
  if (port.value === 80) port.note('NotNeeded', 'the Service of the PcfApi has port 80');
  else port.note('Changed', 'the Service of the PcfApi has port 80', 'change the port of its clients');
  for (const key of ['targetPort', 'portName', 'portDiscovery', 'appProtocol'])
    service.at(key).note('NotNeeded', 'the operator sets the ports of the Service');
  service
    .at('name')
    .note('Changed', 'the Service has the name of the PcfApi', 'set --name, and change its clients');
  for (const key of ROUTE_SETTINGS)
    service
      .at(key)
      .note('NotConverted', 'the route of the operator has weights and the header only', OWN_ROUTE);
  service
    .at('trafficPolicy')
    .note(
      'NotConverted',
      'the operator creates a DestinationRule with a subset per revision',
      'set it for the host of the Service in a DestinationRule of your own',
    );
}

/** Annotations of the Service for clients. */
function convertMetadata(conversion: Conversion, service: Field): void {
  for (const [key, field] of service.at('apex', 'annotations').entries()) {
    if (key.startsWith('pcf.dev/')) field.note('NotConverted', 'the operator owns this prefix');
    else conversion.spec.set(['service', 'annotations', key], field.text(), field);
  }
  service.at('apex', 'labels').note('NotConverted', 'the operator sets the labels of the Service');
  for (const key of ['primary', 'canary'])
    service.at(key).note('NotConverted', 'there are no Services per version', 'set spec.service.annotations');
}
