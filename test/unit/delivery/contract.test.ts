import assert from 'node:assert/strict';
import type { DeliverySpec } from '../../../operator/delivery/delivery-spec.js';
import type { Observation, RevisionView } from '../../../operator/delivery/observation.js';
import { plan } from '../../../operator/delivery/plan.js';
import { isObsolete } from '../../../operator/delivery/preparation.js';
import { deliverySettings } from '../../support/delivery-settings.js';

const HOUR = 3_600_000;
const promotedAt = '2026-11-23T10:00:00.000Z';
const soaked = Date.parse(promotedAt) + HOUR;
const settings = deliverySettings({ contractDelayMs: HOUR });
const knownMigrations = [
  { revision: 'old', migrations: [] },
  { revision: 'new', migrations: ['DropName1'] },
];
const position = { stable: 'new', previous: 'old', promotedAt, knownMigrations };
const contracted = {
  revision: 'new',
  number: 2,
  image: 'image:2',
  migrations: ['DropName1'],
  at: '2026-11-23T11:00:00.000Z',
  done: true,
};

function revision(name: string, number: number, view: Partial<RevisionView> = {}): RevisionView {
  const pods = { replicas: 3, ready: 3, pods: 3 };
  const contract = { state: 'Absent', hook: 'Disabled', attempt: 1 } as const;
  return { name, number, image: `image:${number}`, ...pods, migration: 'Succeeded', contract, ...view };
}
const gone = { replicas: 0, ready: 0, pods: 0 };

function seen(over: Partial<Observation> = {}): Observation {
  return {
    target: 'new',
    revisions: [revision('old', 1, gone), revision('new', 2)],
    position,
    route: { weights: { new: 100 } },
    routeAgeMs: 60_000,
    startable: true,
    ...over,
  };
}

const look = (over: Partial<Observation> = {}, now = soaked, changes: Partial<DeliverySpec> = {}) =>
  plan(seen(over), { ...settings, ...changes }, now);

describe('contract', () => {
  it('waits for the soak, wakes when it ends, and says until when', () => {
    const early = look({}, soaked - 60_000);
    assert.equal(early.job, undefined);
    assert.equal(early.requeueAfterMs, 60_000);
    assert.match(early.contract?.waitingFor ?? '', /the soak of 3600 s to end/);
    assert.equal(early.contract?.at, '2026-11-23T11:00:00.000Z');
  });

  it('runs after it, and the way back ends with its first statement', () => {
    const { job, position, decisions } = look();
    assert.deepEqual(job, { revision: 'new', attempt: 1, stage: 'contract' });
    assert.deepEqual(position.contracted?.migrations, ['DropName1']);
    assert.deepEqual(decisions, [{ type: 'ContractStarted', revision: 'new', migrations: ['DropName1'] }]);
  });

  it('waits for the last pod that needs the old schema, also one that is not ready or on its way out', () => {
    const leaving = { revisions: [revision('old', 1, { ...gone, pods: 1 }), revision('new', 2)] };
    assert.equal(look(leaving).job, undefined);
    assert.equal(look(leaving).contract?.waitingFor, 'the last pod of old to terminate');
  });

  it('waits for pods of revisions that are on record no more, unless they told that they know what goes', () => {
    const revisions = [revision('new', 2)];
    const stuck = { revisions, unrecorded: ['older'] };
    assert.equal(look(stuck).job, undefined);
    assert.equal(look(stuck).contract?.waitingFor, 'the last pod of older to terminate');
    const told = [...knownMigrations, { revision: 'older', migrations: ['DropName1'] }];
    const safe = look({ ...stuck, position: { ...position, knownMigrations: told } });
    assert.equal(safe.job?.stage, 'contract');
    assert.ok(
      safe.position.knownMigrations?.some(({ revision }) => revision === 'older'),
      'what it told is kept as long as its pods',
    );
  });

  it('waits for the worker to follow, whose old ReplicaSet makes pods until it has', () => {
    assert.equal(look({ updating: ['api-worker'] }).job, undefined);
    assert.equal(
      look({ updating: ['api-worker'] }).contract?.waitingFor,
      'all pods of api-worker to run revision new',
    );
  });

  it('does not wait for pods that know what goes: a revision of the same image, or one that told so', () => {
    const sameImage = revision('same', 3, { image: 'image:2' });
    const hotfix = revision('hotfix', 4);
    const told = [...knownMigrations, { revision: 'hotfix', migrations: ['DropName1'] }];
    const revisions = [sameImage, hotfix, revision('new', 2)];
    assert.equal(
      look({ revisions, position: { ...position, knownMigrations: told } }).job?.stage,
      'contract',
    );
    assert.equal(look({ revisions }).job?.stage, undefined, 'a hotfix that nobody asked');
  });

  it('is cancelled by an undo, and counts again from the next promotion', () => {
    const undone = look({ target: 'old', revisions: [revision('old', 1), revision('new', 2)] }, soaked - 1);
    assert.equal(undone.job, undefined);
    assert.deepEqual(
      undone.decisions.map(({ type }) => type),
      ['Started', 'ContractCancelled'],
    );
    const later = { ...position, promotedAt: '2026-11-23T12:00:00.000Z' };
    assert.equal(look({ position: later }, soaked + 1).job, undefined);
  });

  it('runs no earlier when the clock was set back, and wakes often enough to notice', () => {
    const before = look({}, Date.parse(promotedAt) - 5 * HOUR);
    assert.equal(before.job, undefined);
    assert.equal(before.requeueAfterMs, HOUR);
  });

  it('continues where it was after the operator was killed, and is not begun twice', () => {
    const running = { state: 'Running', hook: 'Disabled', attempt: 2 } as const;
    const revisions = [revision('old', 1, gone), revision('new', 2, { contract: running })];
    const found = look({ revisions });
    assert.equal(found.job, undefined);
    assert.deepEqual(found.position.contracted?.migrations, ['DropName1'], 'told by the Job alone');
  });

  it('is not run when there is none, when migrations are not ours, and while paused', () => {
    const none = { ...position, knownMigrations: [{ revision: 'new', migrations: [] }] };
    assert.equal(look({ position: none }).job, undefined);
    assert.equal(look({ position: none }).contract, undefined);
    assert.equal(look({}, soaked, { contractDelayMs: undefined }).job, undefined);
    assert.match(look({}, soaked, { paused: true }).contract?.waitingFor ?? '', /spec.paused/);
  });

  it('is approved of by name in mode Manual', () => {
    const asked = look({}, soaked, { approval: true });
    assert.equal(asked.approval, `new@${promotedAt}/contract/1`);
    assert.equal(asked.job, undefined);
    const requests = { approve: asked.approval };
    assert.equal(look({}, soaked, { approval: true, requests }).job?.stage, 'contract');
    const older = { approve: 'new@2026-11-22T10:00:00.000Z/contract/1' };
    assert.equal(look({}, soaked, { approval: true, requests: older }).job, undefined);
  });

  it('that failed is tried again when somebody says so', () => {
    const failed = { state: 'Failed', hook: 'Disabled', attempt: 2 } as const;
    const revisions = [revision('old', 1, gone), revision('new', 2, { contract: failed })];
    assert.equal(look({ revisions }).job, undefined);
    const requests = { approve: look({ revisions }).approval };
    assert.deepEqual(look({ revisions }, soaked, { requests }).job, {
      revision: 'new',
      attempt: 2,
      stage: 'contract',
    });
  });

  it('comes after what must have succeeded before it', () => {
    const next = (hook: 'Absent' | 'Running' | 'Succeeded' | 'Failed') => {
      const contract = { state: 'Absent', hook, attempt: 1 } as const;
      return look({ revisions: [revision('old', 1, gone), revision('new', 2, { contract })] });
    };
    assert.equal(next('Absent').job?.stage, 'hook');
    assert.equal(next('Absent').position.contracted, undefined, 'nothing is taken out yet');
    assert.equal(next('Running').contract?.waitingFor, 'beforeContract to succeed');
    assert.match(next('Failed').contract?.waitingFor ?? '', /because beforeContract failed/);
    assert.equal(next('Succeeded').job?.stage, 'contract');
  });
});

describe('the rollback floor', () => {
  const after = { ...position, contracted };

  it('refuses an undo below it, with the reason and what would be lost', () => {
    const { position, refused, route, decisions } = look({ target: 'old', position: after });
    assert.equal(position.update, undefined);
    assert.deepEqual([decisions, route?.weights], [[], { new: 100 }]);
    assert.match(refused ?? '', /old \(image:1\) does not support the schema/);
    assert.match(refused ?? '', /DropName1 dropped at 2026-11-23T11:00:00.000Z/);
    assert.match(refused ?? '', /the oldest supported revision is new \(image:2\)/);
  });

  it('calls off what is under way when the spec goes back too far', () => {
    const delivering = { ...after, update: 'newer', startedAt: promotedAt };
    const revisions = [revision('old', 1, gone), revision('new', 2), revision('newer', 3)];
    const { position, refused } = look({ target: 'old', position: delivering, revisions });
    assert.equal(position.update, undefined);
    assert.ok(refused);
  });

  it('lets a newer revision go ahead, and gives an old image under new settings up', () => {
    const revisions = [revision('old', 1, gone), revision('new', 2), revision('newer', 3, gone)];
    assert.equal(look({ target: 'newer', position: after, revisions }).position.update, 'newer');
    const disguised = [...revisions.slice(0, 2), revision('again', 3, { ...gone, image: 'image:1' })];
    assert.ok(look({ target: 'again', position: after, revisions: disguised }).refused);
    const unknown = revision('branch', 3, { ...gone, contracts: [], ahead: ['DropName1'] });
    const delivering = { ...after, update: 'branch', startedAt: promotedAt };
    const { decisions } = look({
      target: 'branch',
      position: delivering,
      revisions: [...revisions.slice(0, 2), unknown],
    });
    assert.equal(decisions[0]?.type === 'Aborted' && decisions[0].reason, 'BelowRollbackFloor');
  });

  it('holds against a revision whose migrations told nothing that can be read, until it tells', () => {
    const delivering = { ...after, update: 'quiet', startedAt: promotedAt };
    const others = [revision('old', 1, gone), revision('new', 2)];
    const quiet = (view: Partial<RevisionView>) => ({
      target: 'quiet',
      position: delivering,
      revisions: [...others, revision('quiet', 3, { ...gone, ...view })],
    });
    const { decisions, position } = look(quiet({ unreported: true }));
    assert.equal(decisions[0]?.type === 'Aborted' && decisions[0].reason, 'BelowRollbackFloor');
    assert.match(position.failed?.message ?? '', /the report of .* could not be read, .* kubectl pcf retry/);
    const again = look({
      ...quiet({ contracts: ['DropMore2'], ahead: [] }),
      position: { ...delivering, knownMigrations: position.knownMigrations },
    });
    assert.deepEqual(again.decisions, []);
    assert.deepEqual(
      again.position.knownMigrations?.find(({ revision }) => revision === 'quiet')?.migrations,
      ['DropMore2', 'DropName1'],
    );
  });

  it('does not keep a delivery from its retry, which migrates under a number that no Job has', () => {
    const failed = { revision: 'newer', reason: 'AbortRequested', message: 'x', at: promotedAt };
    const revisions = [revision('new', 2), revision('newer', 3, { ...gone, lastMigration: 2 })];
    const asked = { requests: { retry: `newer@${promotedAt}` } };
    const ready = [revision('new', 2), revision('newer', 3, { lastMigration: 2 })];
    const begins = look({ target: 'newer', position: { ...after, failed }, revisions: ready }, soaked, asked);
    assert.deepEqual(begins.route, { weights: { new: 100 } }, 'what it migrated before does not count');
    const goesOn = (migration: 'Running' | 'Succeeded') => {
      const revisions = [revision('new', 2), revision('newer', 3, { migration })];
      return look({ target: 'newer', position: begins.position, revisions });
    };
    assert.deepEqual(goesOn('Running').route, { weights: { new: 100 } });
    assert.deepEqual(goesOn('Succeeded').route?.weights, { newer: 100 });
    const { position: retried } = look(
      { target: 'newer', position: { ...after, failed }, revisions },
      soaked,
      asked,
    );
    assert.deepEqual([retried.update, retried.attempt, retried.rerunMigrations], ['newer', 3, true]);
    const { position: begun } = look({ target: 'newer', position: after, revisions });
    assert.deepEqual(
      [begun.attempt, begun.rerunMigrations],
      [undefined, undefined],
      'another delivery finds it done',
    );
  });
});

describe('a migration that runs', () => {
  const at = { stable: 'new', update: 'newer' };

  it('is of use to the delivery under way alone, but for a contract, which is seen through', () => {
    assert.equal(isObsolete(at, 'newer', 'backfill'), false);
    assert.equal(isObsolete(at, 'new', 'backfill'), false);
    for (const stage of ['plan', 'expand', 'backfill'] as const)
      assert.equal(isObsolete(at, 'other', stage), true);
    for (const stage of ['hook', 'contract'] as const) assert.equal(isObsolete(at, 'other', stage), false);
    assert.equal(isObsolete({ stable: 'new' }, 'newer', 'backfill'), true, 'it was given up');
  });
});
