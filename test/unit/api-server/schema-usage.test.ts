import assert from 'node:assert/strict';
import { buildSchema, parse } from 'graphql';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { KnownDocuments } from '../../../api-server/graphql/execution/known-documents.js';
import { documentUsages } from '../../../api-server/graphql/usage/document-usages.js';
import { changesInUse, schemaCheckOf } from '../../../api-server/graphql/usage/schema-check.js';
import { usageClient } from '../../../api-server/graphql/usage/usage-client.js';
import { type Usage, UsageCounter } from '../../../api-server/graphql/usage/usage-counter.js';
import { UsageRecorder } from '../../../api-server/modules/schema-usage/usage-recorder.js';
import { UsageNotStored, type UsageTable } from '../../../api-server/modules/schema-usage/usage-table.js';

const SDL = `
  interface Node { id: ID! }
  type Service implements Node { id: ID! name: String! owner: String deployments(first: Int, filter: Filter): [Deployment!]! }
  type Deployment implements Node { id: ID! name: String! status: Status! }
  enum Status { RUNNING FAILED }
  input Filter { status: [Status!] text: String and: Filter }
  type Query { service(id: ID!): Service node(id: ID!): Node search(filter: Filter): [Node!]! }`;
const schema = buildSchema(SDL);

const QUERY = `query Page($filter: Filter, $id: ID!) {
  service(id: $id) { ...Names deployments(first: 2, filter: { status: FAILED }) { status } }
  search(filter: $filter) { ... on Deployment { name } ... on Service { name } }
}
fragment Names on Service { name }`;

const operationOf = (text: string) => {
  const documents = new KnownDocuments(schema, { maxText: 100_000, hideSuggestions: true });
  return documents.operation(documents.add(text, parse(text)), undefined)!;
};
const client = (application = 'dashboard') => ({ name: 'key:ci', application, version: '1.0' });
const coordinatesIn = (usages: readonly Usage[]) => usages.map(({ coordinate }) => coordinate).sort();

describe('recorded use of the schema', () => {
  it('counts the coordinates of a document once per execution, and those of the given variables', () => {
    const counter = new UsageCounter({ schema, maxClients: 10 });
    const operation = operationOf(QUERY);
    counter.count(operation, client(), { id: '1', filter: { and: { status: ['RUNNING'] }, text: null } });
    counter.count(operation, client(), { id: '1' });
    const { usages } = counter.take();
    assert.deepEqual(coordinatesIn(usages), [
      'Deployment',
      'Deployment.name',
      'Deployment.name & Service.name',
      'Deployment.status',
      'Filter',
      'Filter.and',
      'Filter.status',
      'Filter.status = list',
      'Filter.text',
      'Filter.text = null',
      'Node ... on Deployment',
      'Node ... on Service',
      'Query.search',
      'Query.search(filter:)',
      'Query.search(filter:) = $Filter',
      'Query.service',
      'Query.service(id:)',
      'Query.service(id:) = $ID!',
      'Service',
      'Service.deployments',
      'Service.deployments(filter:)',
      'Service.deployments(first:)',
      'Service.name',
      'Status.FAILED',
      'Status.RUNNING',
    ]);
    const countOf = (coordinate: string) => usages.find((usage) => usage.coordinate === coordinate)?.count;
    assert.deepEqual(['Service.name', 'Status.RUNNING', 'Filter.text'].map(countOf), [2, 1, 1]);
    assert.deepEqual(counter.take().usages, [], 'taken counts are not returned again');
  });

  it('counts clients beyond the limit of the day as other, also after the counts were taken', () => {
    const counter = new UsageCounter({ schema, maxClients: 2 });
    const operation = operationOf('{ node(id: 1) { id } }');
    const count = (name: string) => counter.count(operation, { ...client(), name }, undefined);
    const names = () => [
      ...new Set(counter.take().usages.map(({ name, application }) => `${name} ${application}`)),
    ];
    for (const name of ['a', 'b', 'c', 'd']) count(name);
    assert.deepEqual(names(), ['a dashboard', 'b dashboard', 'other dashboard']);
    for (const name of ['e', 'a']) count(name);
    assert.deepEqual(names(), ['other dashboard', 'a dashboard']);
  });

  it('a client that reports many versions is counted without, and does not affect others', () => {
    const counter = new UsageCounter({ schema, maxClients: 2 });
    const operation = operationOf('{ node(id: 1) { id } }');
    for (let version = 0; version < 50; version++)
      counter.count(operation, { name: 'a', application: 'app', version: `${version}` }, undefined);
    counter.count(operation, { name: 'b', application: 'app', version: '50' }, undefined);
    const { usages } = counter.take();
    const counts = usages.filter(({ coordinate }) => coordinate === 'Query.node');
    assert.equal(counts.length, 12, 'ten versions, those without one, and the other client');
    assert.deepEqual(
      counts
        .filter(({ version, name }) => version === '' || name === 'b')
        .map(({ name, version, count }) => [name, version, count]),
      [
        ['a', '', 40],
        ['b', '50', 1],
      ],
    );
  });

  it('names an API key by its name, and other identities by their ID', () => {
    const identity = { id: 'user:1', name: 'Ada', role: 'ADMIN', cacheScope: '' } as const;
    const headers = { 'apollographql-client-name': 'app\0', 'apollographql-client-version': 'x'.repeat(500) };
    const user = usageClient({ ...identity, kind: 'USER' }, headers);
    assert.deepEqual(user, { name: 'user:1', application: 'app', version: 'x'.repeat(100) });
    assert.equal(usageClient({ ...identity, kind: 'API_KEY' }, {}).name, 'key:Ada');
  });

  it('keeps counts that PostgreSQL did not store, within a bound, and stores them later', async () => {
    const counter = new UsageCounter({ schema, maxClients: 10 });
    const stored: Usage[] = [];
    let isAvailable = false;
    const table = {
      add: async (usages: readonly Usage[]) => {
        if (!isAvailable) throw new UsageNotStored(usages.slice(1), new Error('unavailable'));
        stored.push(...usages);
      },
      serve: async () => undefined,
    } as unknown as UsageTable;
    const registry = new Registry();
    const served = { hash: 'h', sdl: SDL, version: '1' };
    const log = pino({ level: 'silent' });
    const recorder = new UsageRecorder({
      ...{ counter, table, served, registry, log },
      flushMs: 100_000,
      isReady: () => true,
    });
    counter.count(operationOf('{ node(id: 1) { id } }'), client(), undefined);
    await recorder.flush();
    counter.restore(
      Array.from({ length: 60_000 }, (_, at) => ({ ...client(), coordinate: `T.f${at}`, count: 1 })),
    );
    isAvailable = true;
    await recorder.close();
    assert.equal(stored.length, 50_000);
    assert.equal(stored.filter(({ coordinate }) => coordinate.startsWith('Query.')).length, 1, 'of 2');
    assert.match(await registry.metrics(), /pcf_api_schema_usage_dropped_total 10002/);
  });

  it('trusted documents are used without a request, and one that does not fit the schema is skipped', () => {
    const usages = documentUsages(schema, [
      '{ node(id: 1) { id } }',
      'query { search { id } }',
      '{ broken',
      '{ no }',
    ]);
    assert.deepEqual(coordinatesIn(usages), [
      ...['Node.id', 'Query.node', 'Query.node(id:)', 'Query.search'],
    ]);
    assert.deepEqual([usages[0]?.name, usages[0]?.count], ['trusted-documents', 0]);
  });

  it('the check reports a type that keeps its name and becomes another kind, although no document names it', () => {
    const before =
      'scalar Money enum Rank { LOW } type Query { total: Money of(rank: Rank, money: Money): Int }';
    const changed = (from: string, to: string, used: string) =>
      changesInUse([before], before.replace(from, to), [used]).map(({ message }) => message);
    const object = 'type Money { cents: Int }';
    const withoutInput = before.replace(', money: Money', '');
    assert.deepEqual(
      changesInUse([withoutInput], withoutInput.replace('scalar Money', object), ['Query.total']).map(
        ({ message }) => message,
      ),
      ['Query.total: Money changed from a scalar to an object type'],
    );
    assert.deepEqual(changed('enum Rank { LOW }', 'input Rank { low: Int }', 'Query.of(rank:)'), [
      'Query.of(rank:): Rank changed from an enum to an input object type',
    ]);
    assert.deepEqual(changed('scalar Money', 'enum Money { LOW }', 'Query.of(money:)'), [
      'Query.of(money:): Money changed from a scalar to an enum',
    ]);
    assert.deepEqual(changed('scalar Money', 'enum Money { LOW }', 'Query.of(rank:)'), []);
  });

  it('the check reports a change with its clients, and no change that no client uses', () => {
    const counter = new UsageCounter({ schema, maxClients: 10 });
    counter.count(operationOf(QUERY), client(), { id: '1', filter: { status: ['RUNNING'] } });
    const used = coordinatesIn(counter.take().usages);
    const changed = (from: string, to: string) => changesInUse([SDL], SDL.replace(from, to), used);
    assert.deepEqual(changed('owner: String', ''), [], 'no client uses Service.owner');
    assert.deepEqual(changed('text: String', ''), []);
    assert.deepEqual(changed('status: Status!', 'status: Status! since: String'), []);
    assert.match(changed('RUNNING', '')[0]!.message, /Status.RUNNING was removed/);
    // Non-null is safe for the field alone, but not together with the field of the other type.
    assert.match(
      changed(
        'type Deployment implements Node { id: ID! name: String!',
        'type Deployment implements Node { id: ID! name: String',
      )
        .map(({ message }) => message)
        .join(),
      /Deployment.name changed its type.*no longer have the same type/,
    );
    const changes = changed('first: Int', 'first: Int, mine: Boolean!');
    const at = (day: number) => new Date(Date.UTC(2026, 10, day));
    const uses = [1, 9, 5].map((day) => ({
      ...{ coordinate: 'Service.deployments', client: 'key:ci', application: '' },
      lastUsedAt: at(day),
    }));
    assert.deepEqual(schemaCheckOf(changes, uses), {
      inUse: [
        {
          coordinate: 'Service.deployments',
          change: 'the argument Service.deployments(mine:) was added and is required',
          clients: [{ name: 'key:ci', lastUsedAt: at(9).toISOString() }],
        },
      ],
    });
    assert.deepEqual(schemaCheckOf(changes, []), { inUse: [] }, 'its clients are ignored');
  });
});
