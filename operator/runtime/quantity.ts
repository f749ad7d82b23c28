/**
 * Kubernetes quantities: `1000m` is `1`, `1024Mi` is `1Gi`.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */
const suffixes: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};
const format = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+)|(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei))?$/;

/** Whether both are quantities with the same value. */
export function sameQuantity(one: unknown, other: unknown): boolean {
  const a = numberOf(one);
  const b = numberOf(other);
  if (a === undefined || b === undefined) return false;
  // 0.1Gi is not a whole number of bytes: tolerates rounding errors.
  return Math.abs(a - b) <= 1e-12 * Math.max(Math.abs(a), Math.abs(b));
}

function numberOf(quantity: unknown): number | undefined {
  if (typeof quantity !== 'string' && typeof quantity !== 'number') return undefined;
  const match = format.exec(String(quantity));
  if (!match) return undefined;
  const [, digits, exponent, suffix = ''] = match;
  return exponent ? Number(`${digits}e${exponent}`) : Number(digits) * suffixes[suffix]!;
}
