/** Which shard a key belongs to, and how many shards a process owns: pure functions. */
import { hash } from 'node:crypto';

/** The shard of a key, from 0. All versions must agree: otherwise a key has two owners during an upgrade. */
export function shardOf(key: string, shards: number): number {
  return shards === 1 ? 0 : Number.parseInt(hash('sha256', key).slice(0, 8), 16) % shards;
}

/**
 * How many shards a member may own. `owned`: the number that each member owns, including this one. The quotas add up
 * to the number of shards, so that a member above its quota always has another one below its quota. Where they cannot
 * be equal, the members that own most have the larger ones: few shards move when a member joins or leaves.
 */
export function quotaOf(member: string, owned: ReadonlyMap<string, number>, shards: number): number {
  const ranked = [...owned].sort(([a, most], [b, least]) => least - most || (a < b ? -1 : 1));
  const rank = ranked.findIndex(([name]) => name === member);
  return Math.floor(shards / ranked.length) + (rank < shards % ranked.length ? 1 : 0);
}
