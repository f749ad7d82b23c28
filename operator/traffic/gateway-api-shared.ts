/**
 * An existing HTTPRoute of the user: the operator sets the backends of each rule that routes to the Service
 * of the PcfApi.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { HttpRouteKind } from '../resources/kinds.js';
import { isRevisionName } from '../resources/revision.js';
import type { Dialect } from './shared.js';
import { sharedRoute } from './shared.js';

interface Backend {
  name: string;
  kind?: string;
  namespace?: string;
  weight?: number;
}

interface Header {
  type?: string;
  name: string;
  value: string;
}

interface Filter {
  type: string;
  requestMirror?: { backendRef: Backend; percent?: number };
}

interface Rule {
  matches?: { headers?: Header[] }[];
  backendRefs?: Backend[];
  filters?: Filter[];
}

const dialect: Dialect<Rule> = {
  type: HttpRouteKind,
  list: 'rules',
  isOurs: (api, { backendRefs = [] }) =>
    backendRefs.length > 0 && backendRefs.every((backend) => isOurs(api, backend)),
  // Detected by its match: rules have names only in newer versions of the Gateway API.
  isHeaderRule: (api, { matches = [], backendRefs = [] }, header) =>
    backendRefs.length === 1 &&
    isRevisionName(api, backendRefs[0]!.name) &&
    matches.length > 0 &&
    matches.every(({ headers = [] }) => headers.some((one) => isSame(one, header))),
  withHeader(_api, rule, header, revision) {
    const added = { type: 'Exact', ...header };
    const matches = (rule.matches ?? [{}]).map(({ headers = [], ...one }) => ({
      ...one,
      headers: [...headers, added],
    }));
    return { ...unnamed(rule), matches, backendRefs: [{ ...first(rule), name: revision, weight: 1 }] };
  },
  withWeights: (api, rule, { weights, header, mirror }) => ({
    ...withMirrors(api, rule, header && mirror ? [mirrorTo(rule, header, mirror)] : []),
    backendRefs: Object.entries(weights).map(([name, weight]) => ({ ...first(rule), name, weight })),
  }),
  mirrorOf: (api, { filters = [] }) =>
    filters.find((filter) => isOurMirror(api, filter))?.requestMirror?.percent,
  plain: (api, rule) => ({
    ...withMirrors(api, rule, []),
    backendRefs: [{ ...first(rule), name: api.metadata.name, weight: 1 }],
  }),
  weightsOf: ({ backendRefs = [] }) =>
    Object.fromEntries(backendRefs.map(({ name, weight }) => [name, weight ?? 1])),
  headerTarget: ({ backendRefs }) => backendRefs?.[0]?.name,
};

export const sharedHttpRoute = sharedRoute(dialect);

function first({ backendRefs }: Rule): Backend {
  return backendRefs![0]!;
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
function mirrorTo(rule: Rule, name: string, percent: number): Filter {
  const { weight: _weight, ...backend } = first(rule);
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
