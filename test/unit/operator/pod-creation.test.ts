import assert from 'node:assert/strict';
import { pino } from 'pino';
import { observe } from '../../../operator/reconciler/observe.js';
import {
  creationFailure,
  type PodlessJob,
  podlessJobs,
  replicaFailure,
} from '../../../operator/reconciler/pod-creation.js';
import { PodCreationEvents } from '../../../operator/reconciler/pod-creation-events.js';
import type { Pod } from '../../../operator/reconciler/pod-state.js';
import { EMPTY_CLUSTER } from '../../../operator/reconciler/render.js';
import type { KubeList, KubeObject } from '../../../operator/runtime/kube-types.js';
import { eventually } from '../../support/cluster/pcf-api.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const QUOTA = 'is forbidden: exceeded quota: pods, requested: pods=1, used: pods=2, limited: pods=2';
const CREATED_AT = '2026-11-23T12:00:00Z';

function job(name: string, status: object = {}): KubeObject {
  const metadata = { name, namespace: 'platform', uid: `uid-${name}`, creationTimestamp: CREATED_AT };
  return { apiVersion: 'batch/v1', kind: 'Job', metadata, status } as KubeObject;
}

function podOf(name: string, phase: string, creationTimestamp = CREATED_AT): Pod {
  const labels = { 'batch.kubernetes.io/job-name': name };
  const metadata = { name: `${name}-x`, labels, creationTimestamp };
  return { apiVersion: 'v1', kind: 'Pod', metadata, status: { phase } };
}

describe('podlessJobs', () => {
  const names = (jobs: KubeObject[], pods: Pod[] = []) => podlessJobs(jobs, pods).map(({ name }) => name);

  it('returns Jobs without a pod in the cache and without active pods in their status', () => {
    assert.deepEqual(names([job('a'), job('b'), job('c', { active: 1 })], [podOf('b', 'Pending')]), ['a']);
  });

  it('ignores finished Jobs', () => {
    const finished = { conditions: [{ type: 'Complete', status: 'True' }] };
    assert.deepEqual(names([job('a', finished)]), []);
  });

  it('returns the creation time of the last failed pod, as older reports do not concern the next pod', () => {
    const [one] = podlessJobs([job('a')], [podOf('a', 'Failed', '2026-11-23T12:05:00Z')]);
    assert.equal(one?.since, '2026-11-23T12:05:00Z');
  });
});

describe('creationFailure', () => {
  it('returns the same message for each attempt, without the name of the pod', () => {
    const tries = ['x7k2p', 'b9q4z'].map((id) =>
      creationFailure(`Error creating: pods "api-${id}" ${QUOTA}`),
    );
    assert.deepEqual(tries, [`pod ${QUOTA}`, `pod ${QUOTA}`]);
    const combined = `(combined from similar events): Error creating: pods "api-b9q4z" ${QUOTA}`;
    assert.equal(creationFailure(combined), `pod ${QUOTA}`);
  });

  it('returns the same message for each attempt, without the client port of a connection to a webhook', () => {
    const [one, other] = [40212, 51933].map((port) =>
      creationFailure(`failed calling webhook "v.example.com": read tcp 10.0.0.1:${port}->10.0.0.9:443: EOF`),
    );
    assert.equal(one, other);
  });
});

describe('replicaFailure', () => {
  const deployment = (status: string) =>
    ({
      ...job('api-a'),
      status: { conditions: [{ type: 'ReplicaFailure', status, message: `pods "api-a-1" ${QUOTA}` }] },
    }) as KubeObject;

  it('returns the message of the ReplicaFailure condition while it is True', () => {
    assert.equal(replicaFailure(deployment('True')), `pod ${QUOTA}`);
    assert.equal(replicaFailure(deployment('False')), undefined);
    assert.equal(replicaFailure(job('api-a')), undefined);
  });
});

describe('observe: pods that cannot be created', () => {
  const objects = (kind: string, made: KubeObject[]) => ({
    ...EMPTY_CLUSTER,
    ownedBy: (type: { kind: string }) => (type.kind === kind ? made : []),
  });

  it('reports the Deployment of a revision, and a Deployment that no revision waits for', () => {
    const { target } = observe(pcfApi(), objects('', [])).delivery;
    const condition = { type: 'ReplicaFailure', status: 'True', message: `pods "x" ${QUOTA}` };
    const deployments = [target, 'api-worker'].map((name) => job(name, { conditions: [condition] }));
    const { uncreated, trouble } = observe(pcfApi(), objects('Deployment', deployments));
    assert.deepEqual([...uncreated.keys()], [`Deployment ${target}`, 'Deployment api-worker']);
    assert.equal(trouble.get(target), `pods of Deployment ${target} cannot be created: pod ${QUOTA}`);
  });

  it('reports the migration Job that the revision waits for', () => {
    const { target } = observe(pcfApi(), objects('', [])).delivery;
    const expand = job(`${target}-expand`);
    expand.metadata.labels = { 'pcf.dev/revision': target, 'pcf.dev/migration': 'expand' };
    const observed = observe(pcfApi(), objects('Job', [expand]), undefined, () => ({
      failure: `pod ${QUOTA}`,
    }));
    assert.deepEqual([...observed.withoutPod.keys()], [expand.metadata.name]);
    const message = `pods of Job ${expand.metadata.name} cannot be created: pod ${QUOTA}`;
    assert.equal(observed.trouble.get(target), message);
  });
});

describe('PodCreationEvents', () => {
  const waiting: PodlessJob = { namespace: 'platform', name: 'a', uid: 'uid-a', since: CREATED_AT };
  const event = (note: string, deprecatedLastTimestamp: string) => ({ note, deprecatedLastTimestamp });
  let events: object[];
  let fieldSelectors: string[];
  let notifiedOwners: string[];
  let creation: PodCreationEvents;

  beforeEach(() => {
    [events, fieldSelectors, notifiedOwners] = [[], [], []];
    creation = new PodCreationEvents({
      client: {
        list: async (_, options) => {
          fieldSelectors.push(options?.fieldSelector ?? '');
          return { items: events } as unknown as KubeList;
        },
      },
      onNews: (owner) => void notifiedOwners.push(owner),
      logger: pino({ level: 'silent' }),
      ...{ readAfterMs: 20, readEveryMs: 20 },
    });
  });
  afterEach(() => creation.stop());
  const failure = () => creation.reportOf('platform/api', 'uid-a')?.failure;

  it('reports the newest Event of the Job, and each change once', async () => {
    events = [
      event(`Error creating: pods "a-1" ${QUOTA}`, '2026-11-23T12:00:01Z'),
      event('Error creating: pods "a-2" is forbidden: violates PodSecurity', '2026-11-23T12:00:09Z'),
    ];
    creation.follow('platform/api', [waiting]);
    assert.equal(creation.reportOf('platform/api', 'uid-a'), undefined, 'the pod may still be created');
    await eventually('the failure is reported', () => failure() === 'pod is forbidden: violates PodSecurity');
    await eventually('the Events are read repeatedly', () => fieldSelectors.length >= 4);
    assert.deepEqual(notifiedOwners, ['platform/api']);
    assert.equal(fieldSelectors[0], 'regarding.uid=uid-a,reason=FailedCreate');
  });

  it('ignores an Event that is older than the last pod of the Job', async () => {
    events = [event(`Error creating: pods "a-1" ${QUOTA}`, '2026-11-23T11:59:00Z')];
    creation.follow('platform/api', [waiting]);
    await eventually('the Events are read', () => creation.reportOf('platform/api', 'uid-a') !== undefined);
    assert.equal(failure(), undefined);
  });

  it('sends no request for a Job whose pod is created before the first read', async () => {
    creation.follow('platform/api', [waiting]);
    creation.follow('platform/api', []);
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.deepEqual(fieldSelectors, []);
  });
});
