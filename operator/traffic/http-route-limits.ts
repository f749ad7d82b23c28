/** Limits of an HTTPRoute, and the precedence of its matches. */
import type { LimitDialect, Position } from './route-limits.js';

interface Value {
  type?: string;
  name: string;
  value: string;
}

export interface Match {
  path?: { type?: string; value?: string };
  method?: string;
  headers?: Value[];
  queryParams?: Value[];
}

interface Modifier {
  add?: { name: string }[];
  set?: { name: string }[];
  remove?: string[];
}

interface Filter {
  responseHeaderModifier?: Modifier;
}

interface Rule {
  name?: string;
  matches?: Match[];
  filters?: Filter[];
  backendRefs?: { filters?: Filter[] }[];
}

/** Limits in the schema of the CRD. */
const MAX_RULES = 16;
const MAX_MATCHES = 128;
const MAX_ENTRIES = 16;

/** https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule */
export const httpRouteLimits: LimitDialect<Rule> = {
  nameOf: ({ name }) => name,
  matchedHeaders: ({ matches = [] }) =>
    matches.flatMap(({ headers = [] }) => headers.map(({ name }) => ({ name }))),
  changedHeaders: ({ filters = [], backendRefs = [] }) => [
    // A filter of the rule may apply after those of its backends: only its additions leave the cookie as it is.
    ...filters.flatMap(({ responseHeaderModifier }) => removedBy(responseHeaderModifier)),
    ...backendRefs
      .flatMap(({ filters: own = [] }) => own)
      .flatMap(({ responseHeaderModifier: modifier }) => [
        ...(modifier?.add ?? []).map(({ name }) => name),
        ...removedBy(modifier),
      ]),
  ],
  takesFrom: (rule, other) =>
    matchesOf(rule.rule).some((match) =>
      matchesOf(other.rule).some((one) => takesRequests({ match, ...rule }, { match: one, ...other })),
    ),
  exceededLimit(rules) {
    const matches = rules.flatMap(matchesOf);
    const backends = rules.flatMap(({ backendRefs = [] }) => backendRefs);
    const lists = [
      ['headers in a match', matches.map(({ headers }) => headers)],
      ['filters in a rule', rules.map(({ filters }) => filters)],
      ['filters of a backend', backends.map(({ filters }) => filters)],
      [
        'headers in a filter',
        backends.flatMap(({ filters = [] }) =>
          filters.map(({ responseHeaderModifier }) => responseHeaderModifier?.add),
        ),
      ],
    ] as const;
    const [exceeded] = [
      ['rules', rules.length, MAX_RULES] as const,
      ['matches', matches.length, MAX_MATCHES] as const,
      ...lists.map(
        ([what, all]) => [what, Math.max(0, ...all.map((list) => list?.length ?? 0)), MAX_ENTRIES] as const,
      ),
    ].filter(([, count, max]) => count > max);
    if (!exceeded) return undefined;
    const [what, count, max] = exceeded;
    return `it would have ${count} ${what}, and an HTTPRoute has at most ${max}`;
  },
};

function removedBy({ set = [], remove = [] }: Modifier = {}): string[] {
  return [...set.map(({ name }) => name), ...remove];
}

function matchesOf({ matches }: Rule): Match[] {
  return matches?.length ? matches : [{}];
}

type MatchPosition = Position<unknown> & { match: Match };

/**
 * Whether requests that both match go to `other`, but would go to a copy of `rule` with one more header. Of two matches
 * with the same path and method, the one with more headers has precedence, then the one with more query parameters, then
 * the first one. The copies are the last rules.
 */
function takesRequests(rule: MatchPosition, other: MatchPosition): boolean {
  const [a, b] = [rule.match, other.match];
  if (pathOf(a) !== pathOf(b) || a.method !== b.method) return false;
  if (areDisjoint(a.headers, b.headers, true) || areDisjoint(a.queryParams, b.queryParams, false))
    return false;
  const headers = countOf(b.headers) - countOf(a.headers);
  const params = countOf(b.queryParams) - countOf(a.queryParams);
  const order = rule.index - other.index;
  const isOtherFirst = headers > 0 || (headers === 0 && (params > 0 || (params === 0 && order > 0)));
  const isCopyFirst = headers < 1 || (headers === 1 && params < 0);
  return isOtherFirst && isCopyFirst;
}

function pathOf({ path: { type = 'PathPrefix', value = '/' } = {} }: Match): string {
  return `${type} ${type === 'PathPrefix' ? value.replace(/\/$/, '') : value}`;
}

function countOf(list: readonly unknown[] = []): number {
  return list.length;
}

/** Whether no request matches both: they require different values of the same name. */
function areDisjoint(a: readonly Value[] = [], b: readonly Value[] = [], ignoresCase: boolean): boolean {
  const key = ({ name }: Value) => (ignoresCase ? name.toLowerCase() : name);
  const isExact = ({ type = 'Exact' }: Value) => type === 'Exact';
  return a.some((one) =>
    b.some((other) => key(one) === key(other) && isExact(one) && isExact(other) && one.value !== other.value),
  );
}
