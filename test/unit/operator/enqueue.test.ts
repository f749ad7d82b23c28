import assert from 'node:assert/strict';
import { KubeConfig } from '@kubernetes/client-node';
import { pino } from 'pino';
import { Caches } from '../../../operator/reconciler/caches.js';
import { enqueueOnEvents } from '../../../operator/reconciler/enqueue.js';
import { REQUEST_ANNOTATIONS } from '../../../operator/reconciler/strategies.js';
import { CacheSet } from '../../../operator/runtime/cache-set.js';
import { KubeClient, type KubeObject } from '../../../operator/runtime/kube-client.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

describe('enqueueOnEvents', () => {
  let version = 0;
  let added: string[];
  let edits: string[];
  let caches: Caches;

  /** Stores the next version of the PcfApi. */
  const write = (metadata: object, over: object = {}) => {
    const api = pcfApi();
    version += 1;
    const merged = { ...api.metadata, resourceVersion: String(version), ...metadata };
    caches.pcfApis.noteWrite({ ...api, ...over, metadata: merged } as unknown as KubeObject);
  };

  beforeEach(() => {
    [added, edits, version] = [[], [], 0];
    const set = new CacheSet(new KubeClient(new KubeConfig()), pino({ level: 'silent' }));
    caches = new Caches(set);
    const queue = { add: (_: string, priority: string) => added.push(priority) };
    const onEdit = (key: string) => void edits.push(key);
    enqueueOnEvents({ caches, queue: queue as never, onEdit });
    write({ generation: 1 });
    added.length = 0;
  });

  it('adds an edited spec with a high priority', () => {
    write({ generation: 2 });
    assert.deepEqual([added, edits], [['high'], ['platform/api']]);
  });

  it('adds a request by annotation, such as an abort, with a high priority', () => {
    write({ generation: 1, annotations: { [REQUEST_ANNOTATIONS.abort]: 'api-a@2026-11-23T12:00:00.000Z' } });
    assert.deepEqual([added, edits], [['high'], []]);
  });

  it('adds a written status with a low priority', () => {
    write({ generation: 1 }, { status: { phase: 'Ready' } });
    assert.deepEqual([added, edits], [['low'], []]);
  });
});
