/**
 * An existing HTTPRoute of the user: the operator sets the backends of each rule that routes to the Service
 * of the PcfApi.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { HttpRouteKind } from '../resources/kinds.js';
import { isRevisionName } from '../resources/revision.js';
import { httpRouteLimits, type Match } from './http-route-limits.js';
import type { Dialect } from './shared.js';
import { sharedRoute } from './shared.js';
import { isStickySetCookie, type StickyBackend, sharesOf, stickyPattern } from './sticky-rules.js';

interface Backend {
  name: string;
  kind?: string;
  namespace?: string;
  weight?: number;
  filters?: Filter[];
}

type Header = NonNullable<Match['headers']>[number];

interface Filter {
  type: string;
  requestMirror?: { backendRef: Backend; percent?: number };
  responseHeaderModifier?: { add?: { name: string; value: string }[] };
}

interface Rule {
  matches?: Match[];
  backendRefs?: Backend[];
  filters?: Filter[];
}

const dialect: Dialect<Rule> = {
  type: HttpRouteKind,
  limits: httpRouteLimits,
  // The most specific rule applies: https://gateway-api.sigs.k8s.io/reference/spec/#httprouterule
  addedRules: 'last',
  list: 'rules',
  isOurs: (api, { backendRefs = [] }) =>
    backendRefs.length > 0 && backendRefs.every((backend) => isOurs(api, backend)),
  areHeaderRulesNamed: false,
  // Detected by its match: rules have names only in newer versions of the Gateway API.
  isHeaderRule: (api, { matches = [], backendRefs = [] }, header) =>
    backendRefs.length === 1 &&
    isRevisionName(api, backendRefs[0]!.name) &&
    matches.length > 0 &&
    matches.every(({ headers = [] }) => headers.some((one) => isSame(one, header))),
  stickyCookie: (api, rule) => stickyOf(api, rule),
  withHeader: (api, rule, header, revision) => ({
    ...withMatch(rule, { type: 'Exact', ...header }),
    backendRefs: [{ ...first(api, rule), name: revision, weight: 1 }],
  }),
  withTraffic(api, rule, { cookie, backends }, { header, mirror }) {
    const matching = cookie === undefined ? rule : withMatch(rule, cookieMatch(cookie));
    return {
      ...withMirrors(api, matching, header && mirror ? [mirrorTo(api, rule, header, mirror)] : []),
      backendRefs: backends.map((backend) => {
        const { filters, ...ref } = first(api, rule);
        const { revision: name, weight } = backend;
        return { ...ref, name, weight, ...cookieFilters(backend, filters) };
      }),
    };
  },
  mirrorOf: (api, { filters = [] }) =>
    filters.find((filter) => isOurMirror(api, filter))?.requestMirror?.percent,
  plain: (api, rule) => ({
    ...withMirrors(api, rule, []),
    backendRefs: [{ ...first(api, rule), name: api.metadata.name, weight: 1 }],
  }),
  weightsOf: ({ backendRefs = [] }) => sharesOf(backendRefs.map(({ name, weight }) => [name, weight ?? 1])),
  headerTarget: ({ backendRefs }) => backendRefs?.[0]?.name,
};

export const sharedHttpRoute = sharedRoute(dialect);

/** The first backend as written by the user, apart from its name and weight. */
function first(api: PcfApi, { backendRefs }: Rule): Backend {
  const { filters, ...backend } = backendRefs![0]!;
  return { ...backend, ...withoutCookie(api, filters) };
}

const MODIFIER = 'ResponseHeaderModifier';

/** The filters of a backend, with the cookie in its responses. The API server rejects a second filter of this type. */
export function cookieFilters(
  { setCookie }: StickyBackend,
  filters: readonly Filter[] = [],
): { filters?: Filter[] } {
  if (setCookie === undefined) return filters.length > 0 ? { filters: [...filters] } : {};
  const added = { name: 'Set-Cookie', value: setCookie };
  const existing = filters.find(({ type }) => type === MODIFIER);
  if (!existing)
    return { filters: [...filters, { type: MODIFIER, responseHeaderModifier: { add: [added] } }] };
  const { add = [] } = existing.responseHeaderModifier ?? {};
  const merged = {
    ...existing,
    responseHeaderModifier: { ...existing.responseHeaderModifier, add: [...add, added] },
  };
  return { filters: filters.map((filter) => (filter === existing ? merged : filter)) };
}

/** The filters of a backend as written by the user. */
function withoutCookie(api: PcfApi, filters: readonly Filter[] = []): { filters?: Filter[] } {
  const kept = filters.flatMap((filter): Filter[] => {
    const { add, ...modifier } = filter.responseHeaderModifier ?? {};
    const others = add?.filter(({ value }) => !isStickySetCookie(api, value));
    if (!add || !others || others.length === add.length) return [filter];
    const rest = others.length > 0 ? { ...modifier, add: others } : modifier;
    return Object.keys(rest).length > 0 ? [{ ...filter, responseHeaderModifier: rest }] : [];
  });
  return kept.length > 0 ? { filters: kept } : {};
}

/** A match of the whole `Cookie` header by a regular expression. */
export function cookieMatch(pattern: string): Header {
  return { type: 'RegularExpression', name: 'Cookie', value: pattern };
}

/** The cookie of a rule that the operator added for sticky users. */
export function stickyOf(api: PcfApi, { matches = [] }: Pick<Rule, 'matches'>): string | undefined {
  const header = matches[0]?.headers?.find(
    ({ type, value }) => type === 'RegularExpression' && stickyPattern(api, value),
  );
  return stickyPattern(api, header?.value)?.cookie;
}

function withMatch(rule: Rule, header: Header): Rule {
  const matches = (rule.matches ?? [{}]).map(({ headers = [], ...one }) => ({
    ...one,
    headers: [...headers, header],
  }));
  return { ...unnamed(rule), matches };
}

/** Adds the mirrors of the operator to the filters of the rule. */
function withMirrors(api: PcfApi, { filters = [], ...rule }: Rule, added: Filter[]): Rule {
  const all = [...filters.filter((filter) => !isOurMirror(api, filter)), ...added];
  return all.length > 0 ? { ...rule, filters: all } : rule;
}

/**
 * Group and kind as in the live backend, where the API server has added defaults: otherwise there would
 * always be a difference.
 */
function mirrorTo(api: PcfApi, rule: Rule, name: string, percent: number): Filter {
  const { weight: _weight, filters: _filters, ...backend } = first(api, rule);
  return { type: 'RequestMirror', requestMirror: { backendRef: { ...backend, name }, percent } };
}

function isOurMirror(api: PcfApi, { requestMirror }: Filter): boolean {
  return requestMirror !== undefined && isRevisionName(api, requestMirror.backendRef.name);
}

/** Names of rules must be unique. */
function unnamed(rule: Rule & { name?: string }): Rule {
  const { name: _name, ...rest } = rule;
  return rest;
}

function isOurs(api: PcfApi, { name, kind = 'Service', namespace }: Backend): boolean {
  const isHere = namespace === undefined || namespace === api.metadata.namespace;
  return kind === 'Service' && isHere && (name === api.metadata.name || isRevisionName(api, name));
}

function isSame(one: Header, { name, value }: Header): boolean {
  return one.name.toLowerCase() === name.toLowerCase() && one.value === value;
}
