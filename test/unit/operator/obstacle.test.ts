import assert from 'node:assert/strict';
import { WriteFailedError } from '../../../operator/reconciler/act.js';
import {
  failureOf,
  obstacleOf,
  StatusRejectedError,
  withBoundedRetry,
  withObstacle,
} from '../../../operator/reconciler/obstacle.js';
import type { Summary } from '../../../operator/reconciler/summary-rule.js';
import { ReconcileError, TerminalError } from '../../../operator/runtime/controller.js';
import { KubeApiError } from '../../../operator/runtime/kube-client.js';

const apiError = (status: number, message: string) => new KubeApiError(status, 'InternalError', message);
const failed = (message: string) => new WriteFailedError('Deployment api', apiError(500, message));
const summary = (verdict: Summary['verdict'], phase: Summary['phase']): Summary => ({
  ...{ phase, reason: phase as Summary['reason'], message: '', verdict },
});
const SINCE = '2026-11-23T12:00:00Z';
const unreachable = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6443'), { code: 'ECONNREFUSED' });

describe('failed writes', () => {
  it('are reported with the object, and with reason WebhookFailed for a webhook', () => {
    const webhook = obstacleOf(
      failed('Internal error occurred: failed calling webhook "a.example.com": refused'),
    );
    assert.equal(webhook?.reason, 'WebhookFailed');
    assert.match(webhook?.message ?? '', /^writing Deployment api failed .* "a\.example\.com"/);
    assert.equal(obstacleOf(failed('etcdserver: request timed out'))?.reason, 'ApiServerError');
  });

  it('are reported with the time of the first failure', () => {
    const reported = withObstacle(obstacleOf(failed('webhook'))!, summary('Current', 'Ready'), SINCE);
    assert.match(reported.message, /webhook \(since 2026-11-23T12:00:00Z\)$/);
  });

  it('have the same message in each attempt, so that the status is written once', () => {
    const messageFor = (port: number) =>
      obstacleOf(failed(`webhook: read tcp 10.0.0.1:${port}->10.0.0.2:443: connection reset by peer`))
        ?.message;
    assert.equal(messageFor(40_000), messageFor(40_001));
  });

  it('are not reported in the status if the API server is unreachable', () => {
    assert.equal(obstacleOf(unreachable), undefined);
  });

  it('do not replace a failure that requires manual action', () => {
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

  it('are retried within 30 s if the cause may be transient, and not retried if it is permanent', () => {
    const retryDelayMs = (error: unknown) => (error as ReconcileError).comesBack?.retryWithinMs;
    assert.equal(retryDelayMs(failureOf(failed('webhook'), 'm')), 30_000);
    for (const error of [unreachable, apiError(503, 'not yet'), failed('webhook')])
      assert.equal(retryDelayMs(withBoundedRetry(error)), 30_000, String(error));
    assert.equal(retryDelayMs(withBoundedRetry(new TypeError('a bug of the operator'))), undefined);
    assert.ok(failureOf(apiError(422, 'no'), 'm') instanceof TerminalError);
  });

  it('are retried within 5 s if a policy or a webhook denied the request, with any status code', () => {
    const policy = "ValidatingAdmissionPolicy 'freeze' with binding 'freeze' denied request: change freeze";
    const webhook = 'admission webhook "freeze.example.com" denied the request: change freeze';
    for (const error of [apiError(422, policy), apiError(403, policy), apiError(403, webhook)]) {
      const failure = failureOf(error, 'm');
      assert.ok(!(failure instanceof TerminalError), String(error));
      assert.equal(failure.comesBack.retryWithinMs, 5_000);
    }
  });

  it('of a status are retried within 5 s if a policy denied them, otherwise within 30 s', () => {
    const retryDelayMs = (message: string) => {
      const rejected = new StatusRejectedError(message, { cause: apiError(422, message) });
      return (withBoundedRetry(rejected) as ReconcileError).comesBack.retryWithinMs;
    };
    assert.equal(retryDelayMs("ValidatingAdmissionPolicy 'small' denied request: too large"), 5_000);
    assert.equal(retryDelayMs('status.phase: Unsupported value: "Paused"'), 30_000, 'an older CRD');
  });
});
