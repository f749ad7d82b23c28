/**
 * Whether a route of the user can have the rules that the operator adds to it. They are copies of its rules with one more
 * header as a match, so some routes leave no room for them, and in others they would match requests of other rules. Such
 * a route gets none of them.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-types.js';
import { canaryHeader } from './route-objects.js';

/** Why rules cannot be added, for users. */
export interface RouteLimits {
  /** No rules for the canary header, and so none for sticky users. */
  header?: string;
  /** No rules for sticky users. */
  sticky?: string;
}

/** Accessors for the rules of a kind of route. */
export interface LimitDialect<Rule> {
  nameOf(rule: Rule): string | undefined;
  matchedHeaders(rule: Rule): MatchedHeader[];
  /** Names of headers of responses whose change would conflict with a cookie that a destination adds. */
  changedHeaders(rule: Rule): string[];
  /** Whether a copy of the rule with one more header takes requests of the other rule. */
  takesFrom(rule: Position<Rule>, other: Position<Rule>): boolean;
  /** The limit of the kind that the rules exceed; undefined: none. */
  exceededLimit(rules: readonly Rule[]): string | undefined;
}

/** A header in a match of a rule. */
export interface MatchedHeader {
  name: string;
  /** A copy of the rule can require this value again; undefined: none. */
  repeatable?: string;
}

/** A rule in its list. */
export interface Position<Rule> {
  rule: Rule;
  index: number;
}

export interface LimitInput<Rule> {
  api: PcfApi;
  live: KubeObject;
  /** Rules as written by the user. */
  rules: readonly (Position<Rule> & { isOurs: boolean })[];
  /** All rules of a delivery without sticky users, and with them; undefined: users are not sticky. */
  withHeader: readonly Rule[];
  withSticky: readonly Rule[] | undefined;
}

const STICKY_FIELD = 'strategy.canary.stickiness';

export function routeLimits<Rule>(dialect: LimitDialect<Rule>, input: LimitInput<Rule>): RouteLimits {
  const { kind, metadata } = input.live;
  const cannot = `traffic.routeRef: ${kind} ${metadata.namespace}/${metadata.name} cannot have the rules of`;
  const header = headerLimit(dialect, input);
  if (header) return { header: `${cannot} the canary header: ${header}` };
  const sticky = stickyLimit(dialect, input);
  return sticky ? { sticky: `${cannot} ${STICKY_FIELD}: ${sticky}, or remove ${STICKY_FIELD}` } : {};
}

function headerLimit<Rule>(
  dialect: LimitDialect<Rule>,
  { api, rules, withHeader }: LimitInput<Rule>,
): string | undefined {
  const { name, value } = canaryHeader(api);
  const matching = rules.find(
    ({ rule, isOurs }) => isOurs && hasConflict(dialect.matchedHeaders(rule), name, value),
  );
  if (matching)
    return `${ruleName(dialect, matching)} matches the header ${name} itself; remove this match, or choose another strategy.canary.header`;
  const exceeded = dialect.exceededLimit(withHeader);
  return exceeded && `${exceeded}; combine rules that route to the Service`;
}

function stickyLimit<Rule>(
  dialect: LimitDialect<Rule>,
  { rules, withSticky }: LimitInput<Rule>,
): string | undefined {
  if (!withSticky) return undefined;
  const ours = rules.filter(({ isOurs }) => isOurs);
  const matching = ours.find(({ rule }) => hasConflict(dialect.matchedHeaders(rule), 'cookie'));
  if (matching) return `${ruleName(dialect, matching)} matches the header Cookie itself; remove this match`;
  const changing = ours.find(({ rule }) => includesName(dialect.changedHeaders(rule), 'set-cookie'));
  if (changing)
    return `${ruleName(dialect, changing)} changes the header Set-Cookie of responses itself; remove this change`;
  for (const other of rules.filter(({ isOurs }) => !isOurs)) {
    const taking = ours.find((rule) => dialect.takesFrom(rule, other));
    if (taking)
      return `a copy of ${ruleName(dialect, taking)} with the cookie takes precedence over ${ruleName(dialect, other)}; route these requests in a rule of another path or method`;
  }
  const exceeded = dialect.exceededLimit(withSticky);
  return exceeded && `${exceeded}; combine rules that route to the Service`;
}

/** By number from 1, without the rules of the operator. */
function ruleName<Rule>({ nameOf }: LimitDialect<Rule>, { rule, index }: Position<Rule>): string {
  return `rule ${nameOf(rule) ?? index + 1}`;
}

/** Whether a copy cannot require the header as well. */
function hasConflict(matched: readonly MatchedHeader[], name: string, value?: string): boolean {
  return matched.some(
    (one) => includesName([one.name], name) && (value === undefined || one.repeatable !== value),
  );
}

function includesName(names: readonly string[], name: string): boolean {
  return names.some((one) => one.toLowerCase() === name.toLowerCase());
}
