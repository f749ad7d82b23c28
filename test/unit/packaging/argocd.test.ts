import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { systemProgram } from '../../support/processes/system-program.js';

const SCRIPT = 'deploy/argocd/health.lua';

/** Argo CD runs Lua 5.1, and passes the resource as `obj`. */
const RUN = (object: unknown) => `
  local health = setfenv(assert(loadfile('${SCRIPT}')), { obj = ${toLua(object)}, ipairs = ipairs })()
  io.write(health.status, ': ', health.message)`;

/** A Lua expression for a JSON value. */
function toLua(value: unknown): string {
  if (value === null || value === undefined) return 'nil';
  if (Array.isArray(value)) return `{ ${value.map(toLua).join(', ')} }`;
  if (typeof value === 'object')
    return `{ ${Object.entries(value)
      .map(([key, entry]) => `[${JSON.stringify(key)}] = ${toLua(entry)}`)
      .join(', ')} }`;
  return JSON.stringify(value);
}

interface Given {
  phase: string;
  ready: string;
  stalled?: string;
  observedGeneration?: number;
  deletionTimestamp?: string;
}

function pcfApi({ phase, ready, stalled = 'False', observedGeneration = 2, deletionTimestamp }: Given) {
  return {
    metadata: { name: 'pcf-api', generation: 2, deletionTimestamp },
    status: {
      observedGeneration,
      phase,
      conditions: [
        { type: 'Reconciling', status: ready === 'True' ? 'False' : 'True', message: 'other' },
        { type: 'Ready', status: ready, message: 'the message of Ready' },
        { type: 'Stalled', status: stalled, message: 'other' },
      ],
    },
  };
}

describe(SCRIPT, () => {
  let lua: string | undefined;
  before('install Lua', function () {
    this.timeout(400_000);
    lua = systemProgram('lua5.1');
    if (!lua) this.skip();
  });

  const health = (object: unknown) => execFileSync(lua!, ['-e', RUN(object)], { encoding: 'utf8' });

  const cases: [name: string, expected: string, given: Given][] = [
    ['Healthy for Ready', 'Healthy', { phase: 'Ready', ready: 'True' }],
    ['Healthy for a canary at the desired weight', 'Healthy', { phase: 'Canary', ready: 'True' }],
    ['Progressing during migrations', 'Progressing', { phase: 'Migrating', ready: 'False' }],
    ['Suspended for a paused delivery', 'Suspended', { phase: 'Paused', ready: 'True' }],
    ['Degraded for Stalled', 'Degraded', { phase: 'Failed', ready: 'False', stalled: 'True' }],
  ];
  for (const [name, expected, given] of cases)
    it(`is ${name}, with the message of the condition Ready`, () => {
      assert.equal(health(pcfApi(given)), `${expected}: the message of Ready`);
    });

  it('is Progressing while the status describes an older generation of the spec', () => {
    const stale = pcfApi({ phase: 'Ready', ready: 'True', observedGeneration: 1 });
    assert.equal(health(stale), 'Progressing: the operator has not observed the newest spec');
    const failed = pcfApi({ phase: 'Failed', ready: 'False', stalled: 'True', observedGeneration: 1 });
    assert.match(health(failed), /^Progressing: /, 'an earlier failure does not fail the new sync');
  });

  it('is Progressing without a status, without conditions, and during deletion', () => {
    const metadata = { name: 'pcf-api', generation: 1 };
    assert.match(health({ metadata }), /^Progressing: /);
    assert.match(health({ metadata, status: { observedGeneration: 1 } }), /^Progressing: /);
    assert.match(health({ metadata, status: { observedGeneration: 1, conditions: [] } }), /^Progressing: /);
    const deleted = pcfApi({ phase: 'Ready', ready: 'True', deletionTimestamp: '2026-11-23T12:00:00Z' });
    assert.match(health(deleted), /^Progressing: .*deletes/);
  });
});
