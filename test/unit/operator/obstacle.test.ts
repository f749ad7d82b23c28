import assert from 'node:assert/strict';
import { WriteFailedError } from '../../../operator/reconciler/act.js';
import {
  failureOf,
  obstacleOf,
  withBoundedRetry,
  withObstacle,
} from '../../../operator/reconciler/obstacle.js';
import type { Summary } from '../../../operator/reconciler/summary.js';
import { ReconcileError, TerminalError } from '../../../operator/runtime/controller.js';
import { KubeApiError } from '../../../operator/runtime/kube-client.js';

const answered = (status: number, message: string) => new KubeApiError(status, 'InternalError', message);
const failed = (message: string) => new WriteFailedError('Deployment api', answered(500, message));
const summary = (verdict: Summary['verdict'], phase: Summary['phase']): Summary => ({
  ...{ phase, reason: phase as Summary['reason'], message: '', verdict },
});
const SINCE = '2026-11-23T12:00:00Z';
const away = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6443'), { code: 'ECONNREFUSED' });

describe('what keeps an object from being written', () => {
  it('is told with the object, and apart where it is a webhook', () => {
    const webhook = obstacleOf(
      failed('Internal error occurred: failed calling webhook "a.example.com": refused'),
    );
    assert.equal(webhook?.reason, 'WebhookFailed');
    assert.match(webhook?.message ?? '', /^writing Deployment api failed .* "a\.example\.com"/);
    assert.equal(obstacleOf(failed('etcdserver: request timed out'))?.reason, 'ApiServerError');
  });

  it('is told with the time since when it has been so', () => {
    const told = withObstacle(obstacleOf(failed('webhook'))!, summary('Current', 'Ready'), SINCE);
    assert.match(told.message, /webhook \(since 2026-11-23T12:00:00Z\)$/);
  });

  it('is told in the same words at each try: the status is written once', () => {
    const tell = (port: number) =>
      obstacleOf(failed(`webhook: read tcp 10.0.0.1:${port}->10.0.0.2:443: connection reset by peer`))
        ?.message;
    assert.equal(tell(40_000), tell(40_001));
  });

  it('is nothing to write a status of when the API server is away', () => {
    assert.equal(obstacleOf(away), undefined);
  });

  it('takes nothing from what a person has to fix anyway', () => {
    const obstacle = obstacleOf(failed('webhook'))!;
    assert.equal(withObstacle(obstacle, summary('Failed', 'Failed'), SINCE).reason, 'Failed');
    assert.deepEqual(
      [
        withObstacle(obstacle, summary('Current', 'Ready'), SINCE),
        withObstacle(obstacle, summary('InProgress', 'Migrating'), SINCE),
      ].map(({ phase, verdict }) => [phase, verdict]),
      [
        ['Degraded', 'InProgress'],
        ['Migrating', 'InProgress'],
      ],
    );
  });

  it('is tried again within half a minute where it may pass, and not at all where it stays', () => {
    const within = (error: unknown) => (error as ReconcileError).comesBack?.retryWithinMs;
    assert.equal(within(failureOf(failed('webhook'), 'm')), 30_000);
    for (const error of [away, answered(503, 'not yet'), failed('webhook')])
      assert.equal(within(withBoundedRetry(error)), 30_000, String(error));
    assert.equal(within(withBoundedRetry(new TypeError('a mistake of ours'))), undefined);
    assert.ok(failureOf(answered(422, 'no'), 'm') instanceof TerminalError);
  });

  it('is tried again within seconds where a policy or a webhook denied it, whatever the code', () => {
    const policy = "ValidatingAdmissionPolicy 'freeze' with binding 'freeze' denied request: change freeze";
    const webhook = 'admission webhook "freeze.example.com" denied the request: change freeze';
    for (const error of [answered(422, policy), answered(403, policy), answered(403, webhook)]) {
      const failure = failureOf(error, 'm');
      assert.ok(!(failure instanceof TerminalError), String(error));
      assert.equal(failure.comesBack.retryWithinMs, 5_000);
    }
  });
});
