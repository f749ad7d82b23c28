import assert from 'node:assert/strict';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { keyIdOf } from '../../../contract/signing-keys.js';
import type { PcfApi } from '../../../operator/api/v1alpha1/pcfapi.js';
import { LinkService } from '../../../operator/approvals/link-service.js';
import { WrongLinkError } from '../../../operator/approvals/token.js';
import { approvalId, fullId, stepId } from '../../../operator/delivery/request-ids.js';
import { REQUEST_ANNOTATIONS } from '../../../operator/reconciler/strategies.js';
import { KubeApiError } from '../../../operator/runtime/kube-client.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const START = Date.parse('2026-11-23T12:00:00Z');
const value = 'k'.repeat(48);
const key = { id: keyIdOf(value), value };
const names = {
  promote: REQUEST_ANNOTATIONS.promote,
  abort: REQUEST_ANNOTATIONS.abort,
  decidedBy: REQUEST_ANNOTATIONS.decidedBy,
};

/** A PcfApi that waits at a step, and the API server, whose writes a cache can lag behind. */
class Scenario {
  now = START + 60_000;
  live = waitingApi();
  cached = this.live;
  log: string[] = [];
  private readonly registry = new Registry();
  readonly service = new LinkService({
    publicUrl: 'https://approvals.example.com',
    keys: { signer: async () => key, verifier: async (id) => (id === key.id ? key : undefined) },
    client: {
      list: async () => ({ metadata: {}, items: [this.live] }) as never,
      patch: async (_type, _namespace, _name, patch) => this.patch(patch as PcfApi) as never,
    },
    pcfApis: {
      list: () => [this.cached] as never,
      noteWrite: () => {},
    },
    requests: names,
    registry: this.registry,
    logger: pino({ level: 'trace' }, { write: (line: string) => this.log.push(line) }),
    now: () => this.now,
  });

  async tokens(): Promise<{ approve: string; abort: string }> {
    const { delivery } = this.live.status!;
    const event = {
      type: 'ApprovalRequested' as const,
      ...{ revision: 'api-new', at: delivery!.approval!.since },
      approval: { id: approvalId(delivery!)!, linksExpireAt: delivery!.approval!.linksExpireAt! },
    };
    const links = await this.service.linksFor(this.live, event, 'team', new AbortController().signal);
    const [approve, abort] = [links!.approve, links!.abort].map((link) => {
      assert.match(link, /^https:\/\/approvals\.example\.com\/#[\w-]+\.[\w-]+\.[\w-]+$/);
      return link.split('#')[1]!;
    });
    return { approve: approve!, abort: abort! };
  }

  get annotations(): Record<string, string> {
    return this.live.metadata.annotations ?? {};
  }

  async uses(outcome: string): Promise<number> {
    const { values } = await this.registry.getSingleMetric('pcf_approval_links_total')!.get();
    return values
      .filter(({ labels }) => labels.outcome === outcome)
      .reduce((sum, { value }) => sum + value, 0);
  }

  /** An edit of the object, as by the operator or a user. */
  edit(change: (api: PcfApi) => void): void {
    this.live = structuredClone(this.live);
    change(this.live);
    this.live.metadata.resourceVersion += '0';
  }

  private async patch({ metadata }: PcfApi): Promise<PcfApi> {
    await Promise.resolve();
    if (metadata.resourceVersion !== this.live.metadata.resourceVersion)
      throw new KubeApiError(409, 'Conflict', 'the object has been modified');
    this.edit((api) => {
      api.metadata.annotations = { ...api.metadata.annotations, ...metadata.annotations };
    });
    return this.live;
  }
}

function waitingApi(): PcfApi {
  const notifications = {
    webhooks: [{ name: 'team', urlSecretRef: { name: 'slack' }, events: ['ApprovalRequested'] }],
    approvalLinks: {},
  };
  const api = pcfApi({ notifications: notifications as never });
  return {
    ...api,
    status: {
      updateRevision: 'api-new',
      step: { index: 0, of: 2, weight: 10 },
      traffic: { desiredWeight: 10, effectiveWeight: 10, verified: true },
      delivery: {
        ...{ stable: 'api-old', update: 'api-new', strategy: 'Canary', step: 0 },
        startedAt: '2026-11-23T11:50:00.000Z',
        approval: { since: '2026-11-23T12:00:00.000Z', linksExpireAt: '2026-11-23T16:00:00.000Z' },
      },
    },
  };
}

describe('LinkService', () => {
  let scenario: Scenario;
  beforeEach(() => {
    scenario = new Scenario();
  });

  it('describeLink reports the link and changes nothing', async () => {
    const { approve } = await scenario.tokens();
    const link = await scenario.service.describeLink(approve);
    assert.deepEqual(link, {
      ...{ state: 'Open', action: 'approve', namespace: 'platform', name: 'api', revision: 'api-new' },
      ...{ step: 1, of: 2, weight: 10, expiresAt: '2026-11-23T16:00:00Z' },
    });
    assert.deepEqual(scenario.annotations, {});
  });

  it('useLink records the request with its user, once: a second use reports it as used', async () => {
    const { approve } = await scenario.tokens();
    const accepted = await scenario.service.useLink(approve, 'ann@example.com');
    assert.deepEqual(accepted, { state: 'Accepted', message: 'Step 1 of 2 of api-new was approved.' });
    assert.deepEqual(scenario.annotations, {
      [names.promote]: approvalId(scenario.live.status!.delivery!),
      [names.decidedBy]: 'ann@example.com',
    });
    const version = scenario.live.metadata.resourceVersion;
    const again = await scenario.service.useLink(approve, 'bob@example.com');
    assert.deepEqual(again, { state: 'Used', message: 'The step was approved already.' });
    assert.equal(scenario.live.metadata.resourceVersion, version);
    assert.doesNotMatch(scenario.log.join(''), new RegExp(approve.split('.')[2]!));
    assert.deepEqual([await scenario.uses('Accepted'), await scenario.uses('Used')], [1, 1]);
  });

  it('accepts one of many concurrent uses, also with a cache that lags behind', async () => {
    const { approve, abort } = await scenario.tokens();
    const approvals = await Promise.all(
      Array.from({ length: 8 }, () => scenario.service.useLink(approve, undefined)),
    );
    assert.equal(approvals.filter(({ state }) => state === 'Accepted').length, 1);
    assert.equal(scenario.annotations[names.decidedBy], 'the holder of the link to team');
    const aborts = await Promise.all([
      scenario.service.useLink(abort, undefined),
      scenario.service.useLink(abort, undefined),
    ]);
    assert.deepEqual(aborts.map(({ state }) => state).sort(), ['Accepted', 'Used']);
    const late = await scenario.service.useLink(approve, undefined);
    assert.deepEqual(late, { state: 'Used', message: 'The delivery was aborted already.' });
  });

  const closed: Record<string, [(given: Scenario) => void, string, RegExp]> = {
    expired: [
      (s) => (s.now = Date.parse('2026-11-23T16:00:00Z')),
      'Expired',
      /expired at 2026-11-23T16:00:00Z/,
    ],
    'that has expired before the clock was set back': [
      (s) => s.edit(({ status }) => (status!.delivery!.approval!.linksExpired = true)),
      'Expired',
      /expired at 2026-11-23T16:00:00Z/,
    ],
    'of a step that was completed': [
      (s) =>
        s.edit(({ status }) => {
          const { delivery } = status!;
          delivery!.approvals = [{ step: 0, by: 'bob', at: '2026-11-23T12:00:30.000Z' }];
          delivery!.step = 1;
          delivery!.approval = { ...delivery!.approval!, since: '2026-11-23T12:00:31.000Z' };
        }),
      'Used',
      /approved already, by bob at/,
    ],
    'of an earlier wait at the same step': [
      (s) => s.edit(({ status }) => (status!.delivery!.approval!.since = '2026-11-23T12:10:00.000Z')),
      'Used',
      /no longer waits at this step/,
    ],
    'of an earlier delivery of the same revision': [
      (s) => s.edit(({ status }) => (status!.delivery!.startedAt = '2026-11-23T12:00:10.000Z')),
      'Used',
      /no longer waits at this step/,
    ],
    'of a PcfApi that is being deleted': [
      (s) => s.edit(({ metadata }) => (metadata.deletionTimestamp = '2026-11-23T12:00:10Z')),
      'Used',
      /was deleted/,
    ],
    'of a PcfApi that was created again': [
      (s) => s.edit(({ metadata }) => (metadata.uid = 'uid-2')),
      'Used',
      /was deleted/,
    ],
    'that was disabled': [
      (s) => s.edit(({ spec }) => (spec.notifications!.approvalLinks = undefined)),
      'Used',
      /disabled after it was sent/,
    ],
    'of a paused delivery': [
      (s) => s.edit(({ spec }) => (spec.paused = true)),
      'Blocked',
      /paused by spec.paused/,
    ],
  };
  for (const [what, [change, state, message]] of Object.entries(closed)) {
    it(`rejects a link ${what}, and writes nothing`, async () => {
      const { approve } = await scenario.tokens();
      change(scenario);
      scenario.cached = scenario.live;
      const result = await scenario.service.useLink(approve, undefined);
      assert.equal(result.state, state);
      assert.match((result as { message: string }).message, message);
      assert.deepEqual(scenario.annotations, {});
    });
  }

  it('does not replace a promotion by kubectl pcf promote that waits for a window', async () => {
    const { approve, abort } = await scenario.tokens();
    const { delivery } = scenario.live.status!;
    for (const request of [stepId(delivery!)!, fullId(delivery!)!]) {
      scenario.edit(({ metadata }) => (metadata.annotations = { [names.promote]: request }));
      scenario.cached = scenario.live;
      const result = await scenario.service.useLink(approve, undefined);
      assert.deepEqual(result, { state: 'Used', message: 'The step was promoted already.' });
      assert.deepEqual(scenario.annotations, { [names.promote]: request });
    }
    scenario.edit(({ metadata }) => (metadata.annotations = { [names.promote]: 'api-new@earlier/Canary/0' }));
    scenario.cached = scenario.live;
    assert.equal((await scenario.service.describeLink(approve)).state, 'Open');
    assert.equal((await scenario.service.useLink(abort, undefined)).state, 'Accepted');
  });

  it('judges the object in the API server if the cache is old', async () => {
    const { approve } = await scenario.tokens();
    scenario.edit(({ status }) => (status!.delivery!.approval!.since = '2026-11-23T12:10:00.000Z'));
    assert.equal((await scenario.service.useLink(approve, undefined)).state, 'Used');
    assert.deepEqual(scenario.annotations, {});
  });

  it('aborts a paused delivery', async () => {
    const { abort } = await scenario.tokens();
    scenario.edit(({ spec }) => (spec.paused = true));
    scenario.cached = scenario.live;
    assert.equal((await scenario.service.useLink(abort, undefined)).state, 'Accepted');
    assert.equal(scenario.annotations[names.abort], 'api-new@2026-11-23T11:50:00.000Z');
  });

  it('rejects a token that it did not issue, and counts it', async () => {
    const { approve, abort } = await scenario.tokens();
    const [header, , signature] = approve.split('.');
    const mixed = [header, abort.split('.')[1], signature].join('.');
    await assert.rejects(scenario.service.useLink(mixed, undefined), WrongLinkError);
    assert.deepEqual(scenario.annotations, {});
    assert.equal(await scenario.uses('Wrong'), 1);
  });
});
