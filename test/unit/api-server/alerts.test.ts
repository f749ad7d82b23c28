import assert from 'node:assert/strict';
import {
  alertmanagerBody,
  alertmanagerQuery,
  alertOf,
} from '../../../api-server/modules/alertmanager/alerts.js';

const FIRING = {
  status: 'firing',
  labels: { alertname: 'ShopDown', service: 'shop', environment: 'production', severity: 'critical' },
  annotations: { summary: 'The shop is down', description: '12 % of the requests fail' },
  startsAt: '2026-11-20T11:00:00.123456789+01:00',
  endsAt: '0001-01-01T00:00:00Z',
  generatorURL: 'http://prometheus.example.com/graph',
  fingerprint: 'c5c2a2e5f2ee5fb2',
};

function parse(alert: object = {}, query: object = {}) {
  const { alerts } = alertmanagerBody.parse({
    version: '4',
    receiver: 'pcf',
    alerts: [{ ...FIRING, ...alert }],
  });
  return alertOf(alerts[0]!, alertmanagerQuery.parse(query));
}

describe('alerts of Alertmanager', () => {
  it('have service, environment, title, severity and start of their labels and annotations', () => {
    assert.deepEqual(parse(), {
      ...{ fingerprint: 'c5c2a2e5f2ee5fb2', service: 'shop', environment: 'production' },
      ...{ title: 'The shop is down', description: '12 % of the requests fail', severity: 'CRITICAL' },
      ...{ startsAt: new Date('2026-11-20T10:00:00.123Z'), resolvedAt: null },
    });
  });

  it('have an end when they are resolved, which is not before their start', () => {
    const resolved = parse({ status: 'resolved', endsAt: '2026-11-20T10:30:00Z' });
    assert.deepEqual('resolvedAt' in resolved && resolved.resolvedAt, new Date('2026-11-20T10:30:00Z'));
    const skewed = parse({ status: 'resolved', endsAt: '2026-11-20T09:00:00Z' });
    assert.deepEqual('resolvedAt' in skewed && skewed.resolvedAt, new Date('2026-11-20T10:00:00.123Z'));
  });

  it('have the environment and the service label of the URL', () => {
    const labels = { name: 'pcf-api', alertname: 'PcfApiFailed' };
    const alert = parse({ labels, annotations: {} }, { serviceLabel: 'name', environment: 'staging' });
    const { service, environment, title, severity } = alert as Exclude<typeof alert, { reason: string }>;
    assert.deepEqual(
      [service, environment, title, severity],
      ['pcf-api', 'staging', 'PcfApiFailed', 'MEDIUM'],
    );
    const labeled = parse({}, { environment: 'staging' });
    assert.equal('environment' in labeled && labeled.environment, 'production', 'the label takes precedence');
  });

  it('map the label severity, in any case', () => {
    const severities = ['critical', 'Error', 'high', 'warning', 'info', 'none', 'constructor', undefined];
    assert.deepEqual(
      severities.map((severity) => {
        const alert = parse({ labels: { ...FIRING.labels, ...(severity ? { severity } : {}) } });
        return 'severity' in alert && alert.severity;
      }),
      ['CRITICAL', 'HIGH', 'HIGH', 'MEDIUM', 'LOW', 'LOW', 'MEDIUM', 'CRITICAL'],
    );
  });

  it('are ignored with a reason when service or environment are missing or invalid', () => {
    const { service: _, ...withoutService } = FIRING.labels;
    const { environment: __, ...withoutEnvironment } = FIRING.labels;
    const reasons = [
      withoutService,
      withoutEnvironment,
      { ...FIRING.labels, service: 'The Shop' },
      { ...FIRING.labels, environment: 'x\0' },
    ].map((labels) => {
      const alert = parse({ labels });
      return 'reason' in alert && alert.reason;
    });
    const rule =
      'must be 1 to 63 lower-case letters, digits and hyphens, and start and end with a letter or digit';
    assert.deepEqual(reasons, [
      'the label service, the name of the service, is missing',
      'the label environment and the query parameter environment are missing',
      `the label service ${rule}`,
      `the label environment ${rule}`,
    ]);
  });

  it('have texts that PostgreSQL can store, and that are not too long', () => {
    const alert = parse({
      annotations: { summary: `\0${'x'.repeat(300)}`, description: 'y'.repeat(20_000) },
    });
    assert.ok('title' in alert);
    assert.deepEqual([alert.title, alert.description?.length], ['x'.repeat(199), 10_000]);
  });

  it('are rejected with another version of the payload, another status or an invalid time', () => {
    const problems = [
      { version: '5', alerts: [] },
      { version: '4', alerts: [{ ...FIRING, status: 'pending' }] },
      { version: '4', alerts: [{ ...FIRING, startsAt: 'yesterday' }] },
      'text',
    ].map((body) => alertmanagerBody.safeParse(body).error?.issues.map(({ path }) => path.join('.')));
    assert.deepEqual(problems, [['version'], ['alerts.0.status'], ['alerts.0.startsAt'], ['']]);
  });
});
