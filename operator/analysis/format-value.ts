/** Numbers in messages and in the status. */

/** Four significant digits, without rounding 0.99987 to 1. */
export function format(value: number): string {
  if (!Number.isFinite(value) || Number.isInteger(value)) return String(value);
  const rounded = Number(value.toPrecision(4));
  return String(rounded === Math.round(rounded) ? Number(value.toPrecision(8)) : rounded);
}
