/** Durations of Go, as other controllers write them. */

const UNIT_MS: Record<string, number> = {
  h: 3_600_000,
  m: 60_000,
  s: 1_000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};
const PART = /(\d+\.?\d*|\.\d+)(ms|us|µs|ns|h|m|s)/y;

/**
 * Duration of PcfApi (whole units, such as `1h30m`) for a duration of Go, or for a number of seconds.
 * Undefined for other text. Fractions of a millisecond are rounded up.
 */
export function goDuration(value: string | number): string | undefined {
  const seconds = typeof value === 'number' ? value : /^\d+$/.test(value) ? Number(value) : undefined;
  if (seconds !== undefined) return seconds >= 0 ? formatDuration(seconds * 1000) : undefined;
  const ms = goDurationMs(value as string);
  return ms === undefined ? undefined : formatDuration(ms);
}

function goDurationMs(text: string): number | undefined {
  if (text === '') return undefined;
  let ms = 0;
  for (let at = 0; at < text.length; at = PART.lastIndex) {
    PART.lastIndex = at;
    const part = PART.exec(text);
    if (!part) return undefined;
    ms += Number(part[1]) * UNIT_MS[part[2]!]!;
  }
  return ms;
}

/** Milliseconds as a duration of PcfApi: `90000` is `1m30s`. */
export function formatDuration(milliseconds: number): string {
  let rest = Math.ceil(Number(milliseconds.toFixed(3)));
  if (rest === 0) return '0s';
  return ['h', 'm', 's', 'ms']
    .map((unit) => {
      const count = Math.floor(rest / UNIT_MS[unit]!);
      rest -= count * UNIT_MS[unit]!;
      return count > 0 ? `${count}${unit}` : '';
    })
    .join('');
}
