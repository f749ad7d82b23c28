/**
 * A route that is the user's own (`traffic.routeRef`): of it we decide where the rules
 * lead that lead to this PcfApi's Service, and add a rule for the canary header before
 * each. All else is theirs. Both kinds keep their rules in one atomic list, which
 * server-side apply can only own whole; so what is desired is worked out from the live
 * object, and written under the condition that it is still that one.
 */
import { GROUP, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { RouteView } from '../delivery/observation.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import type { KubeObject, ResourceType } from '../runtime/kube-types.js';
import { canaryHeader, type ReadObject } from './route-objects.js';

/** Annotation of a user's route while it follows the PcfApi of this name; its value says what was written last. */
const FOLLOWS = `routed-by.${GROUP}/`;

/** What we wrote last. */
interface Mark {
  route: RouteView;
  header: { name: string; value: string };
}

/** How one kind of route spells its rules. */
export interface Dialect<Rule> {
  type: ResourceType;
  /** The list in `spec` that holds the rules. */
  list: string;
  /** Whether all that the rule leads to is this PcfApi's. */
  isOurs(api: PcfApi, rule: Rule): boolean;
  /** Whether we added the rule, for requests with this header. */
  isHeaderRule(api: PcfApi, rule: Rule, header: Mark['header']): boolean;
  /** The same rule, for requests with the header too, leading to one revision. */
  withHeader(api: PcfApi, rule: Rule, header: Mark['header'], revision: string, index: number): Rule;
  /** The same rule, leading to the revisions by their weights, with copies to one of them if the route says so. */
  withWeights(api: PcfApi, rule: Rule, route: RouteView): Rule;
  mirrorOf(api: PcfApi, rule: Rule): number | undefined;
  /** The rule as it is without us: to the Service, whatever the revision, and with no copies of ours. */
  plain(api: PcfApi, rule: Rule): Rule;
  weightsOf(rule: Rule): Record<string, number>;
  headerTarget(rule: Rule): string | undefined;
}

/** What is to be written to a user's route, and what tells whose doing it is that it is not so. */
export interface RouteEdit {
  type: ResourceType;
  live: KubeObject;
  /** A merge patch, which fails when the object has changed meanwhile. */
  patch: object;
  /** We wrote just this before, so somebody else changed it. */
  drifted: boolean;
  /** Path of the rules, for an Event. */
  field: string;
}

/** Names of the PcfApis that a user's route follows. */
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
    return undefined; // somebody's edit: it is written again
  }
}

export function sharedRoute<Rule>(dialect: Dialect<Rule>) {
  const rulesOf = (object: KubeObject | undefined) =>
    ((object?.spec as Record<string, unknown> | undefined)?.[dialect.list] ?? []) as Rule[];

  /** The user's rules, without those that we added. */
  const own = (api: PcfApi, object: KubeObject) => {
    const headers = [markOf(api, object)?.header, canaryHeader(api)].filter((header) => header !== undefined);
    return rulesOf(object).filter((rule) => !headers.some((it) => dialect.isHeaderRule(api, rule, it)));
  };

  function splice(api: PcfApi, object: KubeObject, route: RouteView): Rule[] {
    const header = canaryHeader(api);
    return own(api, object).flatMap((rule, index) => {
      if (!dialect.isOurs(api, rule)) return [rule];
      const weighted = dialect.withWeights(api, rule, route);
      if (!route.header) return [weighted];
      return [dialect.withHeader(api, dialect.plain(api, rule), header, route.header, index), weighted];
    });
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
    /** Makes the live object follow the route; undefined when it does. */
    follow(api: PcfApi, live: KubeObject, route: RouteView): RouteEdit | undefined {
      const mark = { route, header: canaryHeader(api) };
      return edit(api, live, splice(api, live, route), mark);
    },
    /** Gives the live object back as it would be without us; undefined when there is nothing to undo. */
    release(api: PcfApi, live: KubeObject): RouteEdit | undefined {
      const rules = own(api, live).map((rule) =>
        dialect.isOurs(api, rule) ? dialect.plain(api, rule) : rule,
      );
      return edit(api, live, rules, undefined);
    },
    /** The route in force. Where rules differ, each revision with the most that any gives it: nothing that carries traffic is overlooked. */
    read(api: PcfApi, object: ReadObject): RouteView | undefined {
      const live = object(dialect.type, api.spec.traffic!.routeRef!.name);
      const mark = live && markOf(api, live);
      if (!mark) return undefined;
      const ours = own(api, live).filter((rule) => dialect.isOurs(api, rule));
      if (ours.length === 0) return undefined;
      const weights: Record<string, number> = {};
      for (const [name, weight] of ours.flatMap((rule) => Object.entries(dialect.weightsOf(rule))))
        weights[name] = Math.max(weights[name] ?? 0, weight);
      const added = rulesOf(live).filter((rule) => dialect.isHeaderRule(api, rule, mark.header));
      const header = added.length === ours.length ? dialect.headerTarget(added[0]!) : undefined;
      const mirror = dialect.mirrorOf(api, ours[0]!);
      return { weights, ...(header ? { header } : {}), ...(mirror ? { mirror } : {}) };
    },
    /** Whether any rule of the object leads to this PcfApi. */
    leadsHere: (api: PcfApi, live: KubeObject) => own(api, live).some((rule) => dialect.isOurs(api, rule)),
  };
}

export type SharedRoute = ReturnType<typeof sharedRoute>;
