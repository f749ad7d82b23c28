import assert from 'node:assert/strict';
import type { DeliveryPosition } from '../../../operator/api/v1alpha1/status/delivery-position.js';
import { recordedRevisions, unwantedObjects } from '../../../operator/reconciler/desired.js';
import type { Observed } from '../../../operator/reconciler/observed.js';
import { ControllerRevisionKind } from '../../../operator/resources/kinds.js';
import { controllerRevision, newRevision } from '../../../operator/resources/revision.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

/** Twelve recorded revisions, `r1` to `r12`. The spec describes `r12`. */
function observed(
  position: DeliveryPosition,
  revisionHistoryLimit?: number,
  running: string[] = [],
): Observed {
  const api = pcfApi(revisionHistoryLimit === undefined ? {} : { revisionHistoryLimit });
  const revisions = Array.from({ length: 12 }, (_, index) => ({
    ...newRevision(api, index + 1),
    name: `r${index + 1}`,
  }));
  const views = revisions.map(({ name }) => ({ name, replicas: running.includes(name) ? 1 : 0 }));
  return {
    api,
    revisions: new Map(revisions.map((revision) => [revision.name, revision])),
    delivery: { target: 'r12', position, revisions: views },
    owned: revisions.map((revision) => ({
      type: ControllerRevisionKind,
      object: controllerRevision(api, revision),
    })),
  } as unknown as Observed;
}

const recordedNames = (...given: Parameters<typeof observed>) => recordedRevisions(observed(...given)).sort();

describe('recorded revisions', () => {
  it('are the newest, up to revisionHistoryLimit', () => {
    assert.equal(recordedNames({ stable: 'r12' }).length, 10);
    assert.deepEqual(recordedNames({ stable: 'r12' }, 2), ['r11', 'r12']);
    assert.deepEqual(recordedNames({ stable: 'r12' }, 0), ['r12']);
  });

  it('include running revisions and the stable, new, previous and failed revision', () => {
    const failed = { revision: 'r4', reason: 'CrashLoop', message: '', at: '' };
    const position = { stable: 'r1', update: 'r2', previous: 'r3', failed };
    assert.deepEqual(recordedNames(position, 1, ['r5']), ['r1', 'r12', 'r2', 'r3', 'r4', 'r5']);
  });

  it('include the contracted revision until its window ends, because its image runs the restore', () => {
    const hidden = [{ migration: 'Drop2', until: '2026-11-24T10:00:00.000Z' }];
    const contracted = { revision: 'r2', number: 2, migrations: ['Drop2'], at: '', done: true, hidden };
    assert.deepEqual(recordedNames({ stable: 'r12', contracted }, 1), ['r12', 'r2']);
    assert.deepEqual(recordedNames({ stable: 'r12', contracted: { ...contracted, purged: true } }, 1), [
      'r12',
    ]);
  });

  it('do not include other revisions, which are deleted', () => {
    const position = { stable: 'r12', previous: 'r5' };
    const deleted = unwantedObjects(observed(position, 2), [], { position });
    assert.deepEqual(
      deleted.map(({ object }) => object.metadata.name),
      ['r1', 'r2', 'r3', 'r4', 'r6', 'r7', 'r8', 'r9', 'r10'],
    );
  });
});
