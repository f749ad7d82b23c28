import assert from 'node:assert/strict';
import { progressOf as weightProgress } from '../../cli/edit.js';
import { progressOf } from '../../cli/wait.js';
import type { Progress } from '../../cli/wait-for.js';
import type { PcfApiStatus } from '../../operator/api/v1alpha1/status.js';
import { pcfApi } from '../support/fixtures/fixtures.js';

const OLD = 'registry.example.com/pcf-api:1.0.0';
const NEW = 'registry.example.com/pcf-api:1.1.0';

const condition = (type: string, status: 'True' | 'False', message = '') => ({
  type,
  status,
  reason: 'X',
  message,
  lastTransitionTime: '2026-11-23T12:00:00Z',
});

/** A PcfApi whose spec has the new image, at generation 2. */
function delivering(status: PcfApiStatus, ready: 'True' | 'False', stalled: 'True' | 'False' = 'False') {
  const api = pcfApi({ image: NEW });
  return {
    ...api,
    metadata: { ...api.metadata, generation: 2 },
    status: {
      observedGeneration: 2,
      conditions: [condition('Ready', ready, 'the message of Ready'), condition('Stalled', stalled)],
      ...status,
    } as PcfApiStatus,
  };
}

const canary = delivering({ phase: 'Canary', stableImage: OLD, updateRevision: 'api-2' }, 'True');
const promoted = delivering({ phase: 'Ready', stableImage: NEW }, 'True');

describe('kubectl pcf wait', () => {
  const result = (api: typeof canary, state: 'promoted' | 'ready' = 'promoted'): Progress['result'] =>
    progressOf(api, { image: NEW, state }).result;

  it('ends when the image is stable and no delivery is in progress', () => {
    assert.equal(result(promoted), 'Reached');
    const sameImage = { phase: 'Progressing', stableImage: NEW, updateRevision: 'api-3' } as const;
    assert.equal(result(delivering(sameImage, 'False')), 'Pending', 'a change of the settings is delivered');
    assert.equal(result(delivering({ phase: 'Degraded', stableImage: NEW }, 'False')), 'Pending');
  });

  it('continues while a canary holds at the desired weight, and ends with --for ready', () => {
    assert.equal(result(canary), 'Pending');
    assert.equal(result(canary, 'ready'), 'Reached');
  });

  it('ignores the status of an older spec', () => {
    assert.equal(result({ ...promoted, status: { ...promoted.status, observedGeneration: 1 } }), 'Pending');
    const aborted = delivering({ phase: 'Failed', stableImage: OLD, observedGeneration: 1 }, 'False', 'True');
    assert.equal(result(aborted), 'Pending', 'the former delivery was aborted');
  });

  it('continues while a paused PcfApi does not deliver the new spec', () => {
    const paused = delivering({ phase: 'Paused', stableImage: OLD }, 'True');
    assert.equal(result(paused), 'Pending');
    assert.equal(result(paused, 'ready'), 'Pending');
  });

  it('fails with the message of Ready when the delivery is aborted', () => {
    const aborted = delivering({ phase: 'Failed', stableImage: OLD }, 'False', 'True');
    assert.deepEqual(progressOf(aborted, { image: NEW, state: 'promoted' }), {
      result: 'Failed',
      message: 'the message of Ready',
    });
  });

  it('fails when the spec has another image than the one to wait for', () => {
    const { result, message } = progressOf(promoted, { image: OLD, state: 'promoted' });
    assert.equal(result, 'Failed');
    assert.equal(message, `the spec has the image ${NEW}: ${OLD} is no longer delivered`);
  });
});

describe('kubectl pcf weight --wait', () => {
  const at = (weight: number, status: PcfApiStatus, stalled: 'True' | 'False' = 'False') => {
    const api = delivering({ updateRevision: 'api-2', ...status }, 'True', stalled);
    return { ...api, spec: { ...api.spec, canaryWeight: weight } };
  };
  const traffic = (effectiveWeight: number, verified = true) =>
    ({ effectiveWeight, verified }) as PcfApiStatus['traffic'];

  it('ends when the weight is in effect, and at 100 after the promotion', () => {
    assert.equal(weightProgress(at(25, { traffic: traffic(10) }), 25).result, 'Pending');
    assert.equal(weightProgress(at(25, { traffic: traffic(25, false) }), 25).result, 'Pending');
    assert.equal(weightProgress(at(25, { traffic: traffic(25) }), 25).result, 'Reached');
    assert.equal(weightProgress(at(100, { traffic: traffic(100) }), 100).result, 'Pending');
    assert.equal(weightProgress(at(100, { updateRevision: undefined }), 100).result, 'Reached');
    const older = { traffic: traffic(25), observedGeneration: 1 };
    assert.equal(weightProgress(at(25, older), 25).result, 'Pending', 'status of an older spec');
  });

  it('ends when weight 0 is in effect after an abort, which leaves the PcfApi stalled', () => {
    assert.equal(weightProgress(at(0, { traffic: traffic(0) }, 'True'), 0).result, 'Reached');
  });

  it('fails when the delivery is stalled, or the spec has another weight', () => {
    assert.deepEqual(weightProgress(at(25, { traffic: traffic(0) }, 'True'), 25), {
      result: 'Failed',
      message: 'the message of Ready',
    });
    const { result, message } = weightProgress(at(0, { traffic: traffic(0) }), 25);
    assert.equal(result, 'Failed');
    assert.match(message, /^the spec has weight 0: 25 is no longer desired$/);
  });
});
