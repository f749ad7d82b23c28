/** Matches the breaking changes of a schema with its recorded use. Pure. */
import { buildSchema } from 'graphql';
import type { SchemaCheck, SchemaUse } from '../../../contract/image.js';
import { type BreakingChange, breakingChanges } from './breaking-changes.js';

/** Use of a coordinate by a client. */
export interface RecordedUse {
  coordinate: string;
  client: string;
  /** Empty when the client does not report it. */
  application: string;
  lastUsedAt: Date;
}

/** The report is part of a termination message of at most 4,096 bytes. */
const MAX_CHANGES = 5;
const MAX_CLIENTS = 3;
const MAX_TEXT = 200;
const MAX_NAME = 80;

/**
 * Changes from any of the served schemas to `next` that break one of the used coordinates. Both are SDL, and
 * must be valid schemas.
 */
export function changesInUse(
  served: readonly string[],
  next: string,
  used: readonly string[],
): BreakingChange[] {
  const to = buildSchema(next);
  const found = served.map((sdl) => breakingChanges(buildSchema(sdl), to, used));
  const byCoordinate = new Map(found.flat().map((change) => [change.coordinate, change]));
  return [...byCoordinate.values()];
}

/**
 * The report on these changes. Changes with the same message, such as those of all fields of a removed type, are
 * one. A change that no client uses is omitted.
 */
export function schemaCheckOf(changes: readonly BreakingChange[], uses: readonly RecordedUse[]): SchemaCheck {
  const byMessage = Map.groupBy(changes, ({ message }) => message);
  const byCoordinate = Map.groupBy(uses, ({ coordinate }) => coordinate);
  const inUse = [...byMessage].flatMap(([message, same]): SchemaUse[] => {
    const clients = clientsOf(same.flatMap(({ coordinate }) => byCoordinate.get(coordinate) ?? []));
    const [first] = clients;
    if (!first) return [];
    const coordinate = same.map((change) => change.coordinate).sort((a, b) => a.length - b.length)[0]!;
    const more = clients.length - MAX_CLIENTS;
    return [
      {
        coordinate: cut(coordinate, MAX_TEXT),
        change: cut(message, MAX_TEXT),
        clients: clients.slice(0, MAX_CLIENTS),
        ...(more > 0 && { moreClients: more }),
      },
    ];
  });
  inUse.sort((a, b) => (a.coordinate < b.coordinate ? -1 : 1));
  const more = inUse.length - MAX_CHANGES;
  return { inUse: inUse.slice(0, MAX_CHANGES), ...(more > 0 && { more }) };
}

/** One entry per client and application, the last used first. */
function clientsOf(uses: readonly RecordedUse[]): SchemaUse['clients'] {
  const newest = new Map<string, RecordedUse>();
  for (const use of uses) {
    const key = `${use.client}\n${use.application}`;
    const known = newest.get(key);
    if (!known || known.lastUsedAt < use.lastUsedAt) newest.set(key, use);
  }
  return [...newest.values()]
    .sort((a, b) => b.lastUsedAt.getTime() - a.lastUsedAt.getTime())
    .map(({ client, application, lastUsedAt }) => ({
      name: cut(client, MAX_NAME),
      ...(application && { application: cut(application, MAX_NAME) }),
      lastUsedAt: lastUsedAt.toISOString(),
    }));
}

function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max - 1).toWellFormed()}…` : text;
}
