/**
 * An existing route of the user (`traffic.routeRef`): the operator sets the destinations of rules that route
 * to the Service of the PcfApi, and adds rules for the canary header and for sticky users. All other fields belong to
 * the user. Both kinds have their rules in one atomic list, which server-side apply can own only as a whole.
 * Therefore the desired list is derived from the live object, and written only if the object has not changed.
 */
import { GROUP, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { RouteView } from '../delivery/observation.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import type { KubeObject, ResourceType } from '../runtime/kube-types.js';
import { type LimitDialect, type RouteLimits, routeLimits } from './route-limits.js';
import { canaryHeader, type ReadObject } from './route-objects.js';
import { type StickyCookie, stickyCookie, type TrafficRule, trafficRules } from './sticky-rules.js';

/** Annotation of a route that follows the PcfApi of this name; its value contains the last written state. */
const FOLLOWS = `routed-by.${GROUP}/`;

/** The last written state. */
interface Mark {
  route: RouteView;
  header: { name: string; value: string };
  /** The cookie of sticky users, if the route has one. */
  cookie?: StickyCookie;
}

/** Accessors for the rules of a kind of route. */
export interface Dialect<Rule> {
  type: ResourceType;
  limits: LimitDialect<Rule>;
  /**
   * Where added rules do not change the precedence of others: before the rule that they copy, if the first rule that
   * matches applies; after all others, if the order decides between equally specific rules only.
   */
  addedRules: 'before' | 'last';
  /** Field of `spec` with the rules. */
  list: string;
  /** Whether the Service of this PcfApi is the only backend of the rule. */
  isOurs(api: PcfApi, rule: Rule): boolean;
  /** Whether a rule that the operator added for the header has a reserved name; otherwise its match identifies it. */
  areHeaderRulesNamed: boolean;
  /** Whether the operator added the rule, for requests with this header. */
  isHeaderRule(api: PcfApi, rule: Rule, header: Mark['header']): boolean;
  /** The rule with the header as additional match, and one revision as destination. */
  withHeader(api: PcfApi, rule: Rule, header: Mark['header'], revision: string, index: number): Rule;
  /** The cookie of a rule that the operator added for sticky users; undefined: it is another rule. */
  stickyCookie(api: PcfApi, rule: Rule): string | undefined;
  /** The rule with these destinations, mirrors according to the route, and the cookie as additional match. */
  withTraffic(api: PcfApi, rule: Rule, traffic: TrafficRule, route: RouteView, index: string): Rule;
  mirrorOf(api: PcfApi, rule: Rule): number | undefined;
  /** The original rule: with the Service as destination, without revisions and mirrors of the operator. */
  plain(api: PcfApi, rule: Rule): Rule;
  weightsOf(rule: Rule): Record<string, number>;
  headerTarget(rule: Rule): string | undefined;
}

/** A pending write to an existing route, and whether another field manager caused it. */
export interface RouteEdit {
  type: ResourceType;
  live: KubeObject;
  /** A merge patch that fails if the object has changed. */
  patch: object;
  /** The same state was written before, so another field manager changed it. */
  drifted: boolean;
  /** Path of the rules, for an Event. */
  field: string;
}

/** Names of the PcfApis that an existing route follows. */
export function followedBy({ metadata }: KubeObject): string[] {
  return Object.keys(metadata.annotations ?? {})
    .filter((key) => key.startsWith(FOLLOWS))
    .map((key) => key.slice(FOLLOWS.length));
}

function annotationOf({ metadata }: PcfApi): string {
  return `${FOLLOWS}${metadata.name}`;
}

function markOf(api: PcfApi, { metadata }: KubeObject): Mark | undefined {
  const text = metadata.annotations?.[annotationOf(api)];
  if (!text) return undefined;
  try {
    const mark = JSON.parse(text) as Partial<Mark>;
    return mark.route && mark.header ? (mark as Mark) : undefined;
  } catch {
    return undefined; // changed by the user: it is written again
  }
}

export function sharedRoute<Rule>(dialect: Dialect<Rule>) {
  const rulesOf = (object: KubeObject | undefined) =>
    ((object?.spec as Record<string, unknown> | undefined)?.[dialect.list] ?? []) as Rule[];

  /** Rules of the user, without those that the operator added. */
  const own = (api: PcfApi, object: KubeObject) => {
    const mark = markOf(api, object);
    return rulesOf(object).filter(
      (rule) => dialect.stickyCookie(api, rule) === undefined && !isAdded(api, mark, rule),
    );
  };

  /** Whether the operator added the rule for the canary header, which can have been another one when it was written. */
  const isAdded = (api: PcfApi, mark: Mark | undefined, rule: Rule) =>
    dialect.isHeaderRule(api, rule, mark?.header ?? canaryHeader(api)) &&
    !(mark && hasOnlyWeights(mark, rule));

  /** Whether only the destination is of the operator, which has added no rules: the rule of a user can have this match. */
  const hasOnlyWeights = ({ route }: Mark, rule: Rule) =>
    !dialect.areHeaderRulesNamed &&
    route.header === undefined &&
    (dialect.headerTarget(rule) ?? '') in route.weights;

  function splice(api: PcfApi, object: KubeObject, route: RouteView): Rule[] {
    const parts = own(api, object).map((rule, index) =>
      dialect.isOurs(api, rule) ? partsOf(api, rule, route, index) : { rule, added: [] },
    );
    return dialect.addedRules === 'last'
      ? [...parts.map(({ rule }) => rule), ...parts.flatMap(({ added }) => added)]
      : parts.flatMap(({ rule, added }) => [...added, rule]);
  }

  /** The rule of the user, with its mirrors and the weights, and the rules that are added for it. */
  function partsOf(api: PcfApi, rule: Rule, route: RouteView, index: number): { rule: Rule; added: Rule[] } {
    const traffic = trafficRules(api, route).map((one, place) =>
      dialect.withTraffic(api, rule, one, route, `${index}-${place}`),
    );
    const plain = dialect.plain(api, rule);
    const header = route.header
      ? [dialect.withHeader(api, plain, canaryHeader(api), route.header, index)]
      : [];
    return { rule: traffic.at(-1)!, added: [...header, ...traffic.slice(0, -1)] };
  }

  function edit(api: PcfApi, live: KubeObject, rules: Rule[], mark: Mark | undefined): RouteEdit | undefined {
    const text = mark && canonicalJson(mark);
    const key = annotationOf(api);
    const annotation = live.metadata.annotations?.[key];
    const isSame = canonicalJson(rules) === canonicalJson(rulesOf(live));
    if (isSame && annotation === text) return undefined;
    const { resourceVersion } = live.metadata;
    return {
      type: dialect.type,
      live,
      patch: {
        metadata: { resourceVersion, annotations: { [key]: text ?? null } },
        spec: { [dialect.list]: rules },
      },
      drifted: text !== undefined && annotation === text,
      field: `spec.${dialect.list}`,
    };
  }

  return {
    type: dialect.type,
    /** Patch that makes the live object follow the route; undefined if it already does. */
    follow(api: PcfApi, live: KubeObject, route: RouteView): RouteEdit | undefined {
      const cookie = route.sticky ? stickyCookie(api) : undefined;
      const mark = { route, header: canaryHeader(api), ...(cookie ? { cookie } : {}) };
      return edit(api, live, splice(api, live, route), mark);
    },
    /** Patch that restores the original rules; undefined if there is nothing to restore. */
    release(api: PcfApi, live: KubeObject): RouteEdit | undefined {
      const rules = own(api, live).map((rule) =>
        dialect.isOurs(api, rule) ? dialect.plain(api, rule) : rule,
      );
      return edit(api, live, rules, undefined);
    },
    /**
     * The route in effect. If rules differ, each revision has its largest weight in any rule, so that no
     * revision with traffic is overlooked.
     */
    read(api: PcfApi, object: ReadObject): RouteView | undefined {
      const live = object(dialect.type, api.spec.traffic!.routeRef!.name);
      const mark = live && markOf(api, live);
      if (!mark) return undefined;
      const ours = own(api, live).filter((rule) => dialect.isOurs(api, rule));
      if (ours.length === 0) return undefined;
      const weights: Record<string, number> = {};
      for (const [name, weight] of ours.flatMap((rule) => Object.entries(dialect.weightsOf(rule))))
        weights[name] = Math.max(weights[name] ?? 0, weight);
      const added = rulesOf(live).filter((rule) => isAdded(api, mark, rule));
      const header = added.length === ours.length ? dialect.headerTarget(added[0]!) : undefined;
      const mirror = dialect.mirrorOf(api, ours[0]!);
      const cookies = rulesOf(live).map((rule) => dialect.stickyCookie(api, rule));
      const sticky = cookies.find((cookie) => cookie !== undefined);
      return {
        weights,
        ...(header ? { header } : {}),
        ...(mirror ? { mirror } : {}),
        ...(sticky ? { sticky } : {}),
      };
    },
    /** Whether the object can have the rules of a delivery. */
    limits(api: PcfApi, live: KubeObject): RouteLimits {
      const rules = own(api, live).map((rule, index) => {
        const isOurs = dialect.isOurs(api, rule);
        return { rule: isOurs ? dialect.plain(api, rule) : rule, index, isOurs };
      });
      const route = largestRoute(api);
      const cookie = stickyCookie(api)?.name;
      return routeLimits(dialect.limits, {
        ...{ api, live, rules },
        withHeader: splice(api, live, route),
        withSticky: cookie === undefined ? undefined : splice(api, live, { ...route, sticky: cookie }),
      });
    },
    /** Whether a rule of the object routes to this PcfApi. */
    leadsHere: (api: PcfApi, live: KubeObject) => own(api, live).some((rule) => dialect.isOurs(api, rule)),
  };
}

/** A route with the largest number of rules. The names of its revisions do not matter. */
function largestRoute({ metadata: { name }, spec }: PcfApi): RouteView {
  const [stable, canary] = [`${name}-0`, `${name}-1`];
  const { mirror } = spec.strategy?.canary ?? {};
  // The weight divides a cell at each level.
  const weights = { [stable]: 63, [canary]: 37 };
  return { weights, header: canary, ...(mirror ? { mirror } : {}) };
}

export type SharedRoute = ReturnType<typeof sharedRoute>;
