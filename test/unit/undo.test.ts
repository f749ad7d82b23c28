import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describeUndoPlan } from '../../cli/actions.js';
import { undoPatch } from '../../cli/undo-patch.js';
import { restoreFor } from '../../cli/undo-restore.js';
import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import { type PcfApiSpec, pcfApiSpec } from '../../operator/api/v1alpha1/spec.js';
import {
  controllerRevision,
  newRevision,
  type Revision,
  revisionName,
} from '../../operator/resources/revision.js';
import { pcfApi } from '../support/fixtures/fixtures.js';

/** Applies a JSON merge patch (RFC 7386), as the API server does. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === 'object' && target !== null && !Array.isArray(target);
  const merged: Record<string, unknown> = isObject ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = merge(merged[key], value);
  }
  return merged;
}

/** The spec after an undo, with the defaults that the API server sets. */
function undone(from: PcfApiSpec, to: PcfApiSpec): PcfApiSpec {
  const { inputs } = newRevision(pcfApi(to), 1);
  return pcfApiSpec.parse(merge(from, undoPatch(from, inputs!)));
}

const database = { secretRef: { name: 'pcf-api-secrets', key: 'database-url' } };

const before = pcfApi({ config: { logging: { level: 'info' } } });

describe('undoPatch', () => {
  const changes: Record<string, Partial<PcfApiSpec>> = {
    'a section of config': { config: { logging: { level: 'info' }, graphql: { introspection: false } } },
    'a key of a section': { config: { logging: { level: 'info', pretty: true } } },
    'a part of a field': { database: { ...database, maxConnections: 20 } },
    'a probe': { probes: { liveness: { periodSeconds: 1 } } },
    'the spread of the pods': { availability: { topologySpread: 'Node' } },
    'the tracing endpoint': {
      monitoring: {
        serviceMonitor: true,
        interval: '30s',
        tracing: { endpoint: 'http://collector:4318/v1/traces' },
      },
    },
    'HTTPS to the pods': { traffic: { ...pcfApi().spec.traffic!, backendTLS: { secretName: 'pods' } } },
    'settings of the autoscaler, as part of the revision': {
      autoscaling: { horizontal: { onChange: 'Rollout', minReplicas: 2, maxReplicas: 20 } },
    },
    'the reaction to a changed Secret': {
      secrets: { provider: 'Kubernetes', onChange: 'Rollout', refreshInterval: '1h' },
    },
  };

  for (const overlap of ['24h', '1h']) {
    it(`keeps the rotation interval of signing keys, with overlap ${overlap}, and restores the revision`, () => {
      const jwtSecretRef = { name: 'jwt', key: 'jwt-secret' };
      const earlier = pcfApi({ auth: { jwtSecretRef } });
      const after = pcfApi({ auth: { jwtSecretRef, rotation: { interval: '720h', overlap } } });
      assert.equal(revisionName(after) === revisionName(earlier), overlap === '24h');
      const spec = undone(after.spec, earlier.spec);
      assert.equal(spec.auth?.rotation?.interval, '720h');
      assert.equal(revisionName(pcfApi(spec)), revisionName(earlier));
    });
  }

  for (const [what, change] of Object.entries(changes)) {
    it(`removes a setting that was added since: ${what}`, () => {
      const after = pcfApi({ config: { logging: { level: 'info' } }, ...change });
      assert.notEqual(revisionName(after), revisionName(before));
      assert.equal(revisionName(pcfApi(undone(after.spec, before.spec))), revisionName(before));
    });

    it(`restores a setting that was removed since: ${what}`, () => {
      const earlier = pcfApi({ config: { logging: { level: 'info' } }, ...change });
      assert.equal(revisionName(pcfApi(undone(before.spec, earlier.spec))), revisionName(earlier));
    });
  }

  it('does not change settings that are not part of a revision', () => {
    const now = pcfApi({ ...before.spec, canaryWeight: 30, availability: { topologySpread: 'Node' } }).spec;
    const budget = { podDisruptionBudget: { enabled: false } };
    const after = undone({ ...now, availability: { ...now.availability, ...budget } }, before.spec);
    assert.equal(after.canaryWeight, 30);
    assert.deepEqual(after.availability, budget);
  });

  it('restores the settings of the autoscaler with onChange Rollout, and keeps the vertical autoscaler', () => {
    const vertical = { mode: 'Initial' } as const;
    const scaling = (horizontal: object) => pcfApi({ autoscaling: { vertical, horizontal } as never });
    const earlier = scaling({ onChange: 'Rollout', minReplicas: 2, maxReplicas: 10, cpu: 50 });
    const now = scaling({ onChange: 'Rollout', maxReplicas: 20, memory: 60 });
    assert.notEqual(revisionName(now), revisionName(earlier));
    assert.deepEqual(undone(now.spec, earlier.spec).autoscaling, earlier.spec.autoscaling);
    const immediate = scaling({ maxReplicas: 30, memory: 60 });
    assert.deepEqual(undone(immediate.spec, earlier.spec).autoscaling, earlier.spec.autoscaling);
    const back = undone(now.spec, immediate.spec).autoscaling;
    assert.deepEqual(back, { vertical, horizontal: { maxReplicas: 20, memory: 60 } });
  });

  it('is described with the settings of the autoscaler that it restores', async () => {
    const scaling = (maxReplicas: number) =>
      pcfApi({ autoscaling: { horizontal: { onChange: 'Rollout', maxReplicas } } });
    const [earlier, now] = [scaling(10), scaling(20)];
    const [old, current] = [newRevision(earlier, 1), newRevision(now, 2)];
    const status = { delivery: { stable: current.name, previous: old.name } };
    const client = {
      get: async () => ({ ...now, status }),
      list: async () => ({ items: [controllerRevision(earlier, old), controllerRevision(now, current)] }),
    };
    const lines = await describeUndoPlan({ client, namespace: 'platform' } as never, 'api');
    assert.deepEqual(lines, [
      `would roll back to revision 1, ${old.image}`,
      'would set autoscaling.horizontal: maxReplicas 20 -> 10',
    ]);
  });

  it('restores the revision name from any other config', () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.integer()));
    const key = fc.constantFrom('a', 'b', 'c');
    const config = fc.dictionary(key, fc.dictionary(key, fc.oneof(value, fc.dictionary(key, value))));
    fc.assert(
      fc.property(config, config, (one, other) => {
        const earlier = pcfApi({ config: one });
        assert.equal(
          revisionName(pcfApi(undone(pcfApi({ config: other }).spec, earlier.spec))),
          revisionName(earlier),
        );
      }),
    );
  });
});

describe('restoreFor', () => {
  const until = '2026-11-24T10:00:00.000Z';
  const contracted = {
    ...{ revision: 'new', number: 2, image: 'image:2', migrations: ['Drop2'], at: until, done: true },
    hidden: [{ migration: 'Drop2', until, objects: ['column public.services.owner'] }],
  };
  const revisions = [
    { name: 'old', number: 1, image: 'image:1' },
    { name: 'new', number: 2, image: 'image:2' },
  ] as Revision[];
  const restoreOf = (to: number, over: object = {}) =>
    restoreFor(
      {
        ...before,
        status: { delivery: { stable: 'new', contracted: { ...contracted, ...over } } },
      } as PcfApi,
      revisions,
      revisions[to]!,
    );

  it('reports what an undo below the rollback floor restores, within the window', () => {
    const restore = restoreOf(0);
    assert.deepEqual(restore?.migrations, ['Drop2']);
    assert.deepEqual(restore?.details.slice(0, 2), [
      `Drop2, until ${until}:`,
      '  column public.services.owner',
    ]);
  });

  it('is undefined for a supported revision, after the purge, and with an irreversible migration', () => {
    assert.equal(restoreOf(1), undefined);
    assert.equal(restoreOf(0, { purged: true }), undefined);
    assert.equal(restoreOf(0, { migrations: ['Drop2', 'Delete3'] }), undefined);
  });
});
