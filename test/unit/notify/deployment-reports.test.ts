import assert from 'node:assert/strict';
import type { DeliveryRecord, PcfApiStatus } from '../../../operator/api/v1alpha1/status.js';
import { deploymentReports } from '../../../operator/notify/deployment-reports.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const [STARTED, FIRST_TRAFFIC, DONE] = [
  '2026-11-23T12:00:00.000Z',
  '2026-11-23T12:10:00.000Z',
  '2026-11-23T12:30:00.000Z',
];
const NOW = Date.parse('2026-11-23T13:00:00.000Z');
const IMAGE = 'registry.example.com:5000/pcf-api:1.4.0';

function record(given: Partial<DeliveryRecord> = {}): DeliveryRecord {
  return {
    ...{ revision: 'api-new', number: 2, image: IMAGE, startedAt: STARTED, finishedAt: DONE },
    ...{ outcome: 'Promoted', ...given },
  };
}

function reports(status: PcfApiStatus, image = IMAGE) {
  return deploymentReports(pcfApi(), status, () => ({ image, source: { commit: 'C0FFEE1' } }), NOW);
}

describe('deploymentReports', () => {
  it('reports a start with the first share of the traffic', () => {
    const delivery = { update: 'api-new', startedAt: STARTED };
    assert.deepEqual(reports({ delivery }), []);
    assert.deepEqual(reports({ delivery: { ...delivery, firstTrafficAt: FIRST_TRAFFIC } }), [
      {
        ...{ key: `uid-1/api-new/${STARTED}`, revision: 'api-new', version: '1.4.0', commit: 'c0ffee1' },
        ...{ environment: 'production', strategy: 'CANARY', startedAt: STARTED },
      },
    ]);
  });

  it('reports the end with the same key as the start', () => {
    const [started] = reports({
      delivery: { update: 'api-new', startedAt: STARTED, firstTrafficAt: FIRST_TRAFFIC },
    });
    const [finished] = reports({ history: [record({ commit: 'c0ffee1', firstTrafficAt: FIRST_TRAFFIC })] });
    const end = { outcome: 'SUCCEEDED', finishedAt: DONE };
    assert.deepEqual(finished, { ...started, end });
  });

  it('reports the outcome and the reason', () => {
    const ends = (['Promoted', 'Aborted', 'Undone', 'RolledBack', 'Superseded'] as const).map((outcome) => {
      const reason = outcome === 'Aborted' ? { reason: 'AnalysisFailed' } : {};
      const { end } = reports({
        history: [record({ outcome, firstTrafficAt: FIRST_TRAFFIC, ...reason })],
      })[0]!;
      return [outcome, end?.outcome, end?.reason?.split(' ').slice(0, 2).join(' ')];
    });
    assert.deepEqual(ends, [
      ['Promoted', 'SUCCEEDED', undefined],
      ['Aborted', 'FAILED', 'AnalysisFailed'],
      ['Undone', 'ROLLED_BACK', 'rollback from'],
      ['RolledBack', 'ROLLED_BACK', 'rolled back'],
      ['Superseded', 'FAILED', 'superseded after'],
    ]);
  });

  it('reports the start of the failure of a revision that was aborted or rolled back after it had traffic', () => {
    const failures = (['Promoted', 'Aborted', 'RolledBack', 'Superseded'] as const).map(
      (outcome) =>
        reports({ history: [record({ outcome, firstTrafficAt: FIRST_TRAFFIC })] })[0]!.end?.failure,
    );
    const failure = { failedSince: FIRST_TRAFFIC };
    assert.deepEqual(failures, [undefined, failure, failure, undefined]);
    const [withoutTraffic] = reports({ history: [record({ outcome: 'Aborted' })] });
    assert.equal(withoutTraffic?.end?.failure, undefined);
  });

  it('reports an undo with the start and the key of the delivery that it reverts', () => {
    const startedAt = '2026-11-23T12:40:00.000Z';
    const undo = record({ outcome: 'Undone', revision: 'api-old', startedAt });
    const history = [
      undo,
      record({ outcome: 'Aborted' }),
      record({ firstTrafficAt: FIRST_TRAFFIC }),
      record(),
    ];
    assert.deepEqual(reports({ history }).at(-1)?.end?.failure, {
      failedSince: FIRST_TRAFFIC,
      undoneKey: `uid-1/api-new/${STARTED}`,
    });
    assert.equal(reports({ history: [undo] })[0]?.end?.failure, undefined, 'an unrecorded delivery');
  });

  it('reports no delivery that was cancelled or superseded before its first traffic', () => {
    const history = (['Cancelled', 'Superseded', 'Aborted'] as const).map((outcome) => record({ outcome }));
    assert.deepEqual(
      reports({ history }).map(({ end }) => end?.outcome),
      ['FAILED'],
    );
  });

  it('reports the oldest first, and none that is older than a day', () => {
    const dayBefore = { startedAt: '2026-11-22T11:00:00.000Z', finishedAt: '2026-11-22T12:59:00.000Z' };
    const history = [record({ revision: 'c' }), record({ revision: 'b' }), record({ ...dayBefore })];
    assert.deepEqual(
      reports({ history }).map(({ revision }) => revision),
      ['b', 'c'],
    );
  });

  it('reports version and digest of the image reference', () => {
    const digest = `sha256:${'ab'.repeat(32)}`;
    const version = (image: string) => {
      const [{ version, imageDigest } = {}] = reports({ history: [record({ image })] });
      return [version, imageDigest];
    };
    assert.deepEqual(version('localhost:5000/api'), ['latest', undefined]);
    assert.deepEqual(version(`localhost:5000/api@${digest}`), [digest, digest]);
    assert.deepEqual(version(`api:2.0@${digest}`), ['2.0', digest]);
  });

  it('omits a commit that is not a Git hash', () => {
    assert.equal(reports({ history: [record({ commit: 'trunk' })] })[0]?.commit, undefined);
  });
});
