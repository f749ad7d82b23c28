/** Converts the conditions of an AnalysisTemplate to bounds: comparisons of the result with a number. */

export interface Bounds {
  min?: number;
  max?: number;
  /** Differences to the condition. */
  remarks: string[];
}

type Operator = '<' | '<=' | '>' | '>=';
const NEGATED: Record<Operator, Operator> = { '<': '>=', '<=': '>', '>': '<=', '>=': '<' };
const MIRRORED: Record<Operator, Operator> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

const NUMBER = '-?\\d+(?:\\.\\d+)?(?:[eE][-+]?\\d+)?';
const COMPARISON = new RegExp(`^(.+?)(<=|>=|<|>)(${NUMBER})$`);
const REVERSED = new RegExp(`^(${NUMBER})(<=|>=|<|>)(.+)$`);
const ALL = /^all\(result,\{?#(.+?)\}?\)$/;
const NO_DATA = /^(len\(result\)(==0|<1)|isNaN\(result(\[0\])?\)|result==nil)$/;
const HAS_DATA = /^(len\(result\)(>0|>=1|!=0)|!isNaN\(result(\[0\])?\)|result!=nil)$/;
const NO_DATA_REMARK = 'a measurement without data is inconclusive: it neither succeeds nor fails';

/**
 * Bounds of a condition such as `result[0] >= 0.95`, `default(result, 0) < 5`, `all(result, # < 1000)`, or
 * several of them (`&&` for success, `||` for failure). Undefined for any other condition.
 */
export function conditionBounds(condition: string, of: 'success' | 'failure'): Bounds | undefined {
  const alternatives = normalized(condition).split('||');
  const rest = alternatives.filter((part) => !NO_DATA.test(part));
  const remarks = rest.length < alternatives.length ? [NO_DATA_REMARK] : [];
  const groups = rest.map((part) => part.split('&&').filter((term) => !HAS_DATA.test(term)));
  // A success with alternatives, and a failure with conjunctions, are no range of values.
  if (of === 'success' ? groups.length !== 1 : groups.some((group) => group.length !== 1)) return undefined;
  const terms = groups.flat().map((term) => comparison(term, of === 'failure'));
  if (terms.length === 0 || terms.includes(undefined)) return undefined;
  return terms.reduce<Bounds>((bounds, term) => narrowed(bounds, term!), { remarks });
}

function normalized(condition: string): string {
  return condition
    .replace(/\band\b/g, '&&')
    .replace(/\bor\b/g, '||')
    .replace(/\s+/g, '')
    .replace(/^\((.*)\)$/, (whole, inner: string) => (/[()]/.test(inner) ? whole : inner));
}

interface Comparison {
  operator: Operator;
  bound: number;
  remarks: string[];
}

function comparison(term: string, isNegated: boolean): Comparison | undefined {
  const every = ALL.exec(term)?.[1];
  const parsed = parse(every === undefined ? term : `result${every}`);
  // Not all below the bound: one of them is not. That is no bound for all of them.
  if (!parsed || (every !== undefined && isNegated)) return undefined;
  const remarks: string[] = [];
  const value = bareValue(parsed.value, remarks);
  const operator = isNegated ? NEGATED[parsed.operator] : parsed.operator;
  const isExtreme =
    (value === 'max(result)' && operator.startsWith('<')) ||
    (value === 'min(result)' && operator.startsWith('>'));
  if (!isExtreme && value !== 'result' && value !== 'result[0]') return undefined;
  if (operator.length === 1) remarks.push(`a value of exactly ${parsed.bound} succeeds`);
  return { operator, bound: parsed.bound, remarks };
}

function parse(term: string): { value: string; operator: Operator; bound: number } | undefined {
  const [, value, operator, bound] = COMPARISON.exec(term) ?? [];
  if (value) return { value, operator: operator as Operator, bound: Number(bound) };
  const [, left, reversed, right] = REVERSED.exec(term) ?? [];
  if (!right) return undefined;
  return { value: right, operator: MIRRORED[reversed as Operator], bound: Number(left) };
}

/** Removes conversions and defaults of the result. */
function bareValue(value: string, remarks: string[]): string {
  const converted = /^(?:asFloat|float)\((.*)\)$/.exec(value)?.[1];
  if (converted) return bareValue(converted, remarks);
  const given = /^default\((.*),[^,]+\)$/.exec(value)?.[1];
  if (!given) return value;
  remarks.push(NO_DATA_REMARK);
  return bareValue(given, remarks);
}

function narrowed(bounds: Bounds, { operator, bound, remarks }: Comparison): Bounds {
  const all = { ...bounds, remarks: [...bounds.remarks, ...remarks] };
  return operator.startsWith('>')
    ? { ...all, min: Math.max(bound, bounds.min ?? bound) }
    : { ...all, max: Math.min(bound, bounds.max ?? bound) };
}
