import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parse } from 'smol-toml';
import {
  customResourceSchema,
  type JsonSchema,
  windowDefinition,
} from '../../../operator/api/v1alpha1/crd.js';
import { bareQuantity } from '../../../operator/api/v1alpha1/kubernetes.js';
import { pcfApiSpec } from '../../../operator/api/v1alpha1/spec.js';
import { withinBounds } from '../../../operator/api/v1alpha1/status/within-bounds.js';
import type { PcfApiStatus } from '../../../operator/api/v1alpha1/status.js';
import { newRevision } from '../../../operator/resources/revision.js';
import { pcfApi } from '../../support/fixtures/fixtures.js';

const schema = customResourceSchema();

/**
 * Fields without bounds of this project: those of every Kubernetes object, which the API server checks, and
 * blocks that another schema checks.
 */
const PASSED_THROUGH = new Set([
  'apiVersion',
  'kind',
  'metadata',
  // The image checks its settings. The number of sections and of keys has a bound.
  'spec.config{}',
  // The schema of HorizontalPodAutoscaler checks these fields.
  'spec.autoscaling.horizontal.metrics[]',
  'spec.autoscaling.horizontal.metrics[].resource',
  'spec.autoscaling.horizontal.metrics[].containerResource',
]);

const isGiven = (schema: JsonSchema, ...keywords: string[]) =>
  keywords.every((keyword) => schema[keyword] !== undefined);

const isBounded: Record<string, (schema: JsonSchema) => boolean> = {
  boolean: () => true,
  integer: (it) => isGiven(it, 'minimum', 'maximum'),
  number: (it) => isGiven(it, 'minimum', 'maximum'),
  string: (it) => isGiven(it, 'maxLength') || isGiven(it, 'enum'),
  array: (it) => isGiven(it, 'maxItems'),
  object: (it) =>
    !it['x-kubernetes-preserve-unknown-fields'] &&
    (isGiven(it, 'properties') || isGiven(it, 'additionalProperties', 'maxProperties')),
  quantity: (it) => isGiven(it, 'minimum', 'maximum', 'maxLength', 'pattern'),
};

/** Paths of fields without an upper bound. */
function unboundedFields(schema: JsonSchema, path = ''): string[] {
  const type = schema['x-kubernetes-int-or-string'] ? 'quantity' : (schema.type ?? 'untyped');
  const own = PASSED_THROUGH.has(path) || isBounded[type]?.(schema) ? [] : [`${path}: ${type}`];
  const { properties = {}, items, additionalProperties: values } = schema;
  const below = Object.entries(properties).flatMap(([name, field]) =>
    unboundedFields(field, path ? `${path}.${name}` : name),
  );
  return [
    ...own,
    ...below,
    ...(items ? unboundedFields(items, `${path}[]`) : []),
    ...(typeof values === 'object' ? unboundedFields(values, `${path}{}`) : []),
  ];
}

describe('PcfApi schema: bounds', () => {
  it('each number, string, array and map has an upper bound', () => {
    assert.deepEqual(unboundedFields(schema), []);
  });

  it('each number, string, array and map of PcfWindow has an upper bound', () => {
    const { openAPIV3Schema } = windowDefinition('0.1.0').spec.versions[0]!.schema;
    assert.deepEqual(unboundedFields(openAPIV3Schema), []);
  });

  it('the check of this test finds a string, an array and an integer without an upper bound', () => {
    const open = { a: { type: 'string' }, b: { type: 'array', items: { type: 'integer', minimum: 0 } } };
    assert.deepEqual(unboundedFields({ type: 'object', properties: open }), [
      'a: string',
      'b: array',
      'b[]: integer',
    ]);
  });

  it('quantities: the pattern matches common notations, and no value above about 1e15', () => {
    const pattern = new RegExp(bareQuantity.meta()?.pattern as string);
    for (const text of ['500m', '2', '0.5', '.5', '1.5Gi', '4Gi', '4294967296', '512Mi', '100Ti', '64000M'])
      assert.match(text, pattern);
    for (const text of [
      '',
      '.',
      '1.',
      '-1',
      '1e21',
      '1E',
      `1${'0'.repeat(15)}`,
      '1000Ti',
      '1000000Gi',
      '1Pi',
    ])
      assert.doesNotMatch(text, pattern);
  });

  it('maxSurge has the same bound as a number and as a percentage', () => {
    const { maxSurge } = schema.properties!.spec!.properties!.strategy!.properties!.canary!.properties!;
    const { minimum, maximum, pattern } = maxSurge as { pattern: string } & JsonSchema;
    assert.deepEqual([minimum, maximum], [0, 1000]);
    for (const text of ['0', '25%', '1000', '1000%']) assert.match(text, new RegExp(pattern));
    for (const text of ['1001', '9999%', '-1', '%']) assert.doesNotMatch(text, new RegExp(pattern));
  });

  it('a map with too many entries is rejected without an API server too', () => {
    const nodeSelector = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`label-${n}`, 'x']));
    const { success } = pcfApiSpec.safeParse({ ...pcfApi().spec, scheduling: { nodeSelector } });
    assert.equal(success, false);
  });
});

describe('spec.config', () => {
  it('a number has the same value in the TOML file as in the spec', () => {
    fc.assert(
      fc.property(fc.double({ noDefaultInfinity: true, noNaN: true }), (given) => {
        const number = given + 0; // JSON, as the API server sends it, has no -0
        const { config } = newRevision(pcfApi({ config: { a: { number } } }), 1);
        assert.equal((parse(config) as { a: { number: number } }).a.number, number);
      }),
    );
  });
});

describe('withinBounds', () => {
  const conditionOf = (message: string) => ({
    ...{ type: 'Ready', status: 'False', reason: 'Invalid', lastTransitionTime: '2026-11-23T12:00:00Z' },
    message,
  });
  const statusOf = (message: string, fields: Partial<PcfApiStatus> = {}) =>
    ({ conditions: [conditionOf(message)], ...fields }) as PcfApiStatus;
  const messageOf = (status: PcfApiStatus) => withinBounds(status).conditions?.[0]?.message ?? '';

  it('cuts a message to the maximum length of its field', () => {
    const message = messageOf(statusOf('x'.repeat(40_000)));
    assert.equal(message.length, 32_768);
    assert.match(message, /x…$/);
    assert.equal(messageOf(statusOf('short')), 'short');
  });

  it('returns a message that UTF-8 preserves, also if a surrogate pair is cut in two', () => {
    const message = messageOf(statusOf(`x${'🚚'.repeat(20_000)}`));
    assert.equal(Buffer.from(message).toString(), message);
    const clipped = messageOf(statusOf('🚚'.slice(0, 1)));
    assert.equal(Buffer.from(clipped).toString(), clipped);
  });

  it('cuts lists of the report, but not lists of the delivery position, which the next reconcile reads', () => {
    const names = Array.from({ length: 20_000 }, (_, n) => `m${n}`);
    const knownMigrations = [{ revision: 'api-a', migrations: names }];
    const migration = { revision: 'api-a', state: 'Running' as const, applied: names };
    const cut = withinBounds(statusOf('', { migration, delivery: { knownMigrations } }));
    assert.equal(cut.migration?.applied?.length, 10_000);
    assert.deepEqual(cut.delivery, { knownMigrations });
  });

  it('limits numbers to the maximum of their field', () => {
    const { readyReplicas } = withinBounds(statusOf('', { readyReplicas: 1e9 }));
    assert.equal(readyReplicas, 100_000);
  });
});
