/**
 * Sticky users: rules that keep each user at one revision while the weight does not change. Pure, and without state.
 *
 * A cookie assigns a user to one of 100 buckets, for one delivery. Bucket `b` belongs to the canary if `b < weight`, so
 * a higher weight moves users to the canary, a lower one moves some of them back, and no others. An HTTPRoute allows
 * 16 backends per rule, which are too few for 100 buckets. Therefore a cookie names a cell: a range of buckets, in three
 * levels. A cell that the weight divides is assigned again when its user returns, to a smaller cell inside it. As the
 * rules follow from the weight alone, none depends on the weights before.
 */
import { durationMs } from '../api/v1alpha1/kubernetes.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { RouteView } from '../delivery/observation.js';
import { isRevisionName } from '../resources/revision.js';

/** Cells per cell of the level above: 5 of 20 buckets, 25 of 4, 100 of 1. At most 4 + 4 + 4 backends in a rule. */
const RADIXES = [5, 5, 4] as const;
const BUCKETS = 100;

/** A destination of a rule. The weights of a rule are relative to their sum. */
export interface StickyBackend {
  revision: string;
  weight: number;
  /** Value of `Set-Cookie` for responses of this destination. */
  setCookie?: string;
}

/** A rule for requests without the canary header. The first rule that matches applies. */
export interface TrafficRule {
  /** Regular expression (RE2) for the whole `Cookie` header; undefined: all requests. */
  cookie?: string;
  backends: StickyBackend[];
}

/** Settings of the cookie, with defaults. */
export interface StickyCookie {
  name: string;
  maxAgeSeconds: number;
  sameSite: 'Lax' | 'Strict' | 'None';
}

/** Settings of the cookie; undefined if users are not sticky. */
export function stickyCookie({ spec, metadata }: PcfApi): StickyCookie | undefined {
  const { stickiness } = spec.strategy?.canary ?? {};
  if (!stickiness || (spec.strategy?.type ?? 'Canary') !== 'Canary') return undefined;
  // Two PcfApis can have the same host, and a browser sends both cookies to both.
  const { name = `pcf-${metadata.name}`, maxAge, sameSite } = stickiness.cookie;
  return { name, maxAgeSeconds: Math.ceil(durationMs(maxAge) / 1_000), sameSite };
}

/** The rules of a route, in order. The last one applies to all requests, and has the weights of the route. */
export function trafficRules(api: PcfApi, route: RouteView): TrafficRule[] {
  const cookie = stickyCookie(api);
  const { weights, header: canary } = route;
  const other = Object.keys(weights).find((name) => name !== canary);
  if (!route.sticky || !cookie || !canary || !other) {
    return [{ backends: Object.entries(weights).map(([revision, weight]) => ({ revision, weight })) }];
  }
  const levels = dividedLevels(weights[canary]!);
  const backendsFrom = (level: number): StickyBackend[] =>
    levels
      .slice(level)
      .flatMap(({ prefix, size, below, above }) => [
        ...below.map((digit) => backend(canary, `${prefix}${digit}`, size)),
        ...above.map((digit) => backend(other, `${prefix}${digit}`, size)),
      ]);
  const backend = (revision: string, cell: string, weight: number): StickyBackend => ({
    revision,
    weight,
    setCookie: setCookie(cookie, `${canary}.${cell}`),
  });
  const matching = (cells: string[], backends: StickyBackend[]): TrafficRule => ({
    cookie: cookiePattern(cookie.name, canary, cells),
    backends,
  });
  return [
    matching(cellsOf(levels, 'below'), [{ revision: canary, weight: BUCKETS }]),
    matching(cellsOf(levels, 'above'), [{ revision: other, weight: BUCKETS }]),
    ...levels.slice(1).map(({ prefix }, index) => matching([prefix], backendsFrom(index + 1))),
    { backends: backendsFrom(0) },
  ];
}

/** The cookie and the revision in a pattern of {@link trafficRules}; undefined: the operator did not write it. */
export function stickyPattern(
  api: PcfApi,
  pattern: string | undefined,
): { cookie: string; revision: string } | undefined {
  const [, cookie, revision] = PATTERN.exec(pattern ?? '') ?? [];
  return cookie && revision && isRevisionName(api, revision) ? { cookie, revision } : undefined;
}

/** Whether the operator wrote this value of `Set-Cookie`. */
export function isStickySetCookie(api: PcfApi, value: string | undefined): boolean {
  const [, revision] = SET_COOKIE.exec(value ?? '') ?? [];
  return revision !== undefined && isRevisionName(api, revision);
}

/** Adds up the weights of the destinations of each revision. */
export function sharesOf(weights: readonly (readonly [revision: string, weight: number])[]) {
  const shares: Record<string, number> = {};
  for (const [revision, weight] of weights) shares[revision] = (shares[revision] ?? 0) + weight;
  return shares;
}

/** One level of the path to the bucket at which the weight divides the buckets. */
interface Level {
  /** The cell that is divided at this level. */
  prefix: string;
  /** Buckets per cell. */
  size: number;
  /** Digits of its cells that belong to the canary as a whole, and to the other revision. */
  below: number[];
  above: number[];
}

function dividedLevels(weight: number): Level[] {
  const levels: Level[] = [];
  let [size, rest, prefix] = [BUCKETS, weight, ''];
  for (const radix of RADIXES) {
    size /= radix;
    const digit = Math.floor(rest / size);
    rest -= digit * size;
    const isDivided = rest > 0;
    const digits = Array.from({ length: radix }, (_, index) => index);
    const above = digits.slice(isDivided ? digit + 1 : digit);
    levels.push({ prefix, size, below: digits.slice(0, digit), above });
    if (!isDivided) break;
    prefix += digit;
  }
  return levels;
}

/** Patterns of the cells on one side of the weight, with the smaller cells inside them. */
function cellsOf(levels: readonly Level[], side: 'below' | 'above'): string[] {
  return levels.flatMap(({ prefix, [side]: digits }, level) => {
    if (digits.length === 0) return [];
    const inside = RADIXES.slice(level + 1).map((radix) => `[0-${radix - 1}]?`);
    return [`${prefix}[${digits[0]}-${digits.at(-1)}]${inside.join('')}`];
  });
}

/**
 * Gateways compare the whole header or search in it, depending on the implementation: with both anchors the result is
 * the same.
 */
function cookiePattern(name: string, revision: string, cells: readonly string[]): string {
  return `^(.*; ?)?${name}=${revision}[.](${cells.join('|')})(;.*)?$`;
}

function setCookie({ name, maxAgeSeconds, sameSite }: StickyCookie, value: string): string {
  return `${name}=${value}; Max-Age=${maxAgeSeconds}; Path=/; Secure; HttpOnly; SameSite=${sameSite}`;
}

const PATTERN = /^\^\(\.\*; \?\)\?([\w-]+)=([a-z0-9-]+)\[\.\]\(/;
const SET_COOKIE = /^[\w-]+=([a-z0-9-]+)\.\d{1,3}; Max-Age=/;
