/** Converts the traffic routing of a Rollout. */
import { convertRoute } from '../common/routes.js';
import type { Conversion } from '../conversion.js';
import type { Field } from '../source.js';

const GATEWAY_API = 'argoproj-labs/gatewayAPI';
const OTHERS = ['nginx', 'alb', 'smi', 'ambassador', 'appMesh', 'traefik', 'apisix'];
const UNSUPPORTED = 'the operator splits traffic with Istio, with the Gateway API, or by the number of pods';
const INSTEAD = 'set spec.traffic.provider; without it the weight is the share of ready pods';

/** Sets `spec.traffic` and returns whether there is a provider. */
export function convertTraffic(conversion: Conversion, routing: Field): boolean {
  convertIstio(conversion, routing.at('istio'));
  for (const [name, plugin] of routing.at('plugins').entries()) {
    if (name === GATEWAY_API) convertGatewayApi(conversion, plugin);
    else plugin.note('NotConverted', UNSUPPORTED, INSTEAD);
  }
  for (const name of OTHERS) routing.at(name).note('NotConverted', UNSUPPORTED, INSTEAD);
  routing.at('managedRoutes').note('NotNeeded', 'the operator orders its rules: the header first');
  return conversion.spec.has(['traffic']);
}

function convertIstio(conversion: Conversion, istio: Field): void {
  const services = [istio.at('virtualService'), ...istio.at('virtualServices').items()].filter(
    ({ isGiven }) => isGiven,
  );
  const [service, ...others] = services;
  if (!service) {
    istio.note('NotConverted', 'it names no VirtualService', 'set spec.traffic.hosts or routeRef');
    return;
  }
  convertRoute(conversion, 'VirtualService', service.at('name'));
  service
    .at('routes')
    .note(
      'Changed',
      'the operator sets the weights of all rules whose only backend is its Service',
      'check the rules of the VirtualService',
    );
  for (const key of ['tlsRoutes', 'tcpRoutes'])
    service.at(key).note('NotConverted', 'the operator routes HTTP');
  for (const other of others)
    other.note('NotConverted', 'a PcfApi has one route', 'add its hosts to spec.traffic.hosts');
  const rule = istio.at('destinationRule');
  rule.note('NotNeeded', 'the operator creates a DestinationRule', 'delete the old one after the migration');
  conversion
    .find('DestinationRule', rule.at('name').value as string)
    ?.note(
      'NotConverted',
      'the operator creates a DestinationRule with a subset per revision',
      'set a trafficPolicy for the host of the Service in a DestinationRule of your own',
    );
}

function convertGatewayApi(conversion: Conversion, plugin: Field): void {
  const routes = [
    plugin.at('httpRoute'),
    ...plugin
      .at('httpRoutes')
      .items()
      .map((route) => route.at('name')),
  ].filter(({ isGiven }) => isGiven);
  const [route, ...others] = routes;
  if (!route) {
    plugin.note(
      'NotConverted',
      'it names no HTTPRoute, and the operator routes HTTP',
      'set spec.traffic.hosts or routeRef',
    );
    return;
  }
  convertRoute(conversion, 'HTTPRoute', route);
  for (const other of others)
    other.note('NotConverted', 'a PcfApi has one route', 'add its hosts to spec.traffic.hosts');
  plugin
    .at('namespace')
    .note('Changed', 'the HTTPRoute is in the namespace of the PcfApi', 'check the namespace');
}
