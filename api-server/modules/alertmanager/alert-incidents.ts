import type { Identity } from '../../auth/identity.js';
import { Bindings } from '../../database/conditions.js';
import type { DataSource } from '../../database/pool/data-source.js';
import { withAuditedChange } from '../../graphql/audit.js';
import { auditStatement } from '../audit/audit-log.js';
import { type Announcer, changeAndAnnounce } from '../events/announce.js';
import { type Incident, incidentType } from '../incidents/incident.entity.js';
import type { Alert, IgnoredAlert } from './alerts.js';

const { table } = incidentType;
const AUDIT_ACTION = 'receiveAlert';

export interface AlertsReceived {
  opened: number;
  resolved: number;
  /** Alerts that were recorded before, such as those of a repeated notification. */
  unchanged: number;
  ignored: IgnoredAlert[];
}

/** Opens and resolves the incidents of alerts. Idempotent, also if notifications arrive in another order. */
export class AlertIncidents {
  constructor(
    private readonly dataSource: DataSource,
    private readonly announce: Announcer,
  ) {}

  async receive(alerts: readonly (Alert | IgnoredAlert)[], identity: Identity): Promise<AlertsReceived> {
    const received: AlertsReceived = { opened: 0, resolved: 0, unchanged: 0, ignored: [] };
    const services = await this.#serviceIds(
      alerts.flatMap((alert) => (isIgnored(alert) ? [] : alert.service)),
    );
    for (const alert of alerts) {
      const serviceId = isIgnored(alert) ? undefined : services.get(alert.service);
      if (isIgnored(alert)) received.ignored.push(alert);
      else if (!serviceId) {
        received.ignored.push({
          fingerprint: alert.fingerprint,
          reason: `the service ${alert.service} does not exist`,
        });
      } else {
        const record = () => this.#record(serviceId, alert);
        received[await withAuditedChange(identity, AUDIT_ACTION, alert, auditStatement, record)] += 1;
      }
    }
    return received;
  }

  async #serviceIds(names: readonly string[]): Promise<Map<string, string>> {
    if (names.length === 0) return new Map();
    const rows = await this.dataSource.runSql<{ id: string; name: string }>(
      { mode: 'read', tables: ['services'] },
      'SELECT id, name FROM services WHERE name = ANY ($1)',
      [[...new Set(names)]],
    );
    return new Map(rows.map(({ id, name }) => [name, id]));
  }

  async #record(serviceId: string, alert: Alert): Promise<'opened' | 'resolved' | 'unchanged'> {
    const [inserted] = await this.#insert(serviceId, alert);
    if (!alert.resolvedAt) return inserted ? 'opened' : 'unchanged';
    // A second statement, whose snapshot includes an incident that a concurrent notification opened.
    const resolved = inserted ? [inserted] : await this.#resolve(serviceId, alert, alert.resolvedAt);
    return resolved.length > 0 ? 'resolved' : 'unchanged';
  }

  /**
   * A resolved alert whose incident is not open is inserted with its end: the notification that it is firing was
   * lost, or arrives later and must not open it.
   */
  #insert(serviceId: string, alert: Alert): Promise<Incident[]> {
    const { environment, title, description, severity, startsAt, resolvedAt } = alert;
    const bindings = new Bindings();
    const { bind } = bindings;
    const prefix = keyPrefix(alert);
    const service = `CAST(${bind(serviceId)} AS uuid)`;
    const texts = [environment, title, description, severity, `${prefix}${startsAt.toISOString()}`];
    const times = [startsAt, resolvedAt].map((time) => `CAST(${bind(time)} AS timestamptz)`);
    const isNotOpen = `NOT EXISTS (SELECT FROM incidents
      WHERE service_id = ${service} AND starts_with(idempotency_key, ${bind(prefix)}) AND resolved_at IS NULL)`;
    const sql = `INSERT INTO incidents
        (service_id, environment, title, description, severity, idempotency_key, opened_at, resolved_at)
      SELECT ${[service, ...texts.map((text) => `CAST(${bind(text)} AS text)`), ...times].join(', ')}
      WHERE ${times[1]} IS NULL OR ${isNotOpen}
      ON CONFLICT (service_id, idempotency_key) DO NOTHING`;
    const furtherEvents = resolvedAt ? [{ kind: 'INCIDENT_RESOLVED' as const, rows: 'changed' }] : [];
    const change = { kind: 'INCIDENT_OPENED' as const, sql, bindings, furtherEvents };
    return changeAndAnnounce(this.dataSource, table, change, this.announce);
  }

  /** Resolves all incidents of the alert: Alertmanager sends no end of an alert that fires again soon. */
  #resolve(serviceId: string, alert: Alert, resolvedAt: Date): Promise<Incident[]> {
    const bindings = new Bindings();
    const { bind } = bindings;
    const end = `CAST(${bind(resolvedAt)} AS timestamptz)`;
    const sql = `UPDATE incidents AS t SET resolved_at = ${end}, updated_at = now()
      WHERE t.service_id = ${bind(serviceId)} AND starts_with(t.idempotency_key, ${bind(keyPrefix(alert))})
        AND t.resolved_at IS NULL AND t.opened_at <= ${end}`;
    const change = { kind: 'INCIDENT_RESOLVED' as const, sql, bindings };
    return changeAndAnnounce(this.dataSource, table, change, this.announce);
  }
}

function isIgnored(alert: Alert | IgnoredAlert): alert is IgnoredAlert {
  return 'reason' in alert;
}

/** Prefix of the idempotency keys of all incidents of an alert. */
function keyPrefix({ environment, fingerprint }: Alert): string {
  return `alertmanager/${environment}/${fingerprint}/`;
}
