/**
 * Alerts in a webhook of Alertmanager, version 4 of its payload:
 * https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. Pure.
 */
import { z } from 'zod';
import { asciiLowerCase } from '../../../contract/ascii.js';
import { storable } from '../../auth/redact-input.js';
import { IncidentSeverity } from '../incidents/incident.entity.js';
import { NAME_MESSAGE, NAME_RULE } from '../services/service.inputs.js';

const DEFAULT_SERVICE_LABEL = 'service';
const ENVIRONMENT_LABEL = 'environment';
const MAX_TITLE = 200;
const MAX_DESCRIPTION = 10_000;

const texts = z.record(z.string(), z.string());
const time = z.iso.datetime({ offset: true }).transform((text) => new Date(text));

/** Unknown fields are accepted, because Alertmanager adds fields without a new version. */
export const alertmanagerBody = z.object({
  version: z.literal('4'),
  alerts: z.array(
    z.object({
      status: z.enum(['firing', 'resolved']),
      labels: texts,
      annotations: texts.default({}),
      startsAt: time,
      endsAt: time,
      fingerprint: z.string().regex(/^[\w:-]{1,64}$/),
    }),
  ),
});
type ReceivedAlert = z.infer<typeof alertmanagerBody>['alerts'][number];

/** Query parameters of the receiver's URL. */
export const alertmanagerQuery = z.strictObject({
  /** Label whose value is the name of the service. */
  serviceLabel: z.string().min(1).max(100).default(DEFAULT_SERVICE_LABEL),
  /** Environment of alerts without the label `environment`. */
  environment: z.string().regex(NAME_RULE, { error: NAME_MESSAGE }).optional(),
});
type AlertmanagerQuery = z.infer<typeof alertmanagerQuery>;

/** An alert of a service in an environment. */
export interface Alert {
  fingerprint: string;
  service: string;
  environment: string;
  title: string;
  description: string | null;
  severity: IncidentSeverity;
  startsAt: Date;
  /** Null while it is firing. */
  resolvedAt: Date | null;
}

/** An alert that is not recorded. */
export interface IgnoredAlert {
  fingerprint: string;
  reason: string;
}

export function alertOf(received: ReceivedAlert, query: AlertmanagerQuery): Alert | IgnoredAlert {
  const { fingerprint, labels, annotations, startsAt, endsAt, status } = received;
  const { serviceLabel } = query;
  const service = labels[serviceLabel];
  const environment = labels[ENVIRONMENT_LABEL] ?? query.environment;
  if (!service)
    return { fingerprint, reason: `the label ${serviceLabel}, the name of the service, is missing` };
  if (!environment) {
    const reason = `the label ${ENVIRONMENT_LABEL} and the query parameter environment are missing`;
    return { fingerprint, reason };
  }
  if (!NAME_RULE.test(service)) return { fingerprint, reason: `the label ${serviceLabel} ${NAME_MESSAGE}` };
  if (!NAME_RULE.test(environment))
    return { fingerprint, reason: `the label ${ENVIRONMENT_LABEL} ${NAME_MESSAGE}` };
  return {
    ...{ fingerprint, service, environment, startsAt },
    title: shorten(annotations.summary || labels.alertname || 'Alert', MAX_TITLE),
    description: annotations.description ? shorten(annotations.description, MAX_DESCRIPTION) : null,
    severity: severityOf(labels.severity),
    resolvedAt: status === 'resolved' ? later(startsAt, endsAt) : null,
  };
}

const SEVERITIES: Record<string, IncidentSeverity> = {
  critical: IncidentSeverity.CRITICAL,
  high: IncidentSeverity.HIGH,
  error: IncidentSeverity.HIGH,
  low: IncidentSeverity.LOW,
  info: IncidentSeverity.LOW,
  none: IncidentSeverity.LOW,
};

function severityOf(label = ''): IncidentSeverity {
  const name = asciiLowerCase(label);
  return (Object.hasOwn(SEVERITIES, name) && SEVERITIES[name]) || IncidentSeverity.MEDIUM;
}

function shorten(text: string, length: number): string {
  return storable(text.slice(0, length));
}

function later(a: Date, b: Date): Date {
  return a > b ? a : b;
}
