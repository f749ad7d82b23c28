/** Arguments of a mutation for the audit log: secrets redacted, long texts truncated. */
import { redactUrls } from '../observability/logging/redact.js';

const SECRET = /password|secret|token|credential|authorization/i;
const MAX_TEXT = 500;
const MAX_ITEMS = 100;
const MAX_DEPTH = 6;
const MAX_TOTAL = 16_384;
export const REDACTED = '***';

export function redactInput(input: object): object {
  const redacted = redactValue(input, 0) as object;
  return JSON.stringify(redacted).length <= MAX_TOTAL ? redacted : { tooLong: true };
}

/** A text that PostgreSQL can store in a jsonb. */
export function storable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed();
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (value === undefined || value === null || typeof value === 'boolean') return value ?? null;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (typeof value !== 'object') return String(value);
  if (depth >= MAX_DEPTH) return '...';
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => redactValue(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, MAX_ITEMS)
      .map(([key, inner]) => [
        storable(key).slice(0, MAX_TEXT),
        SECRET.test(key) && inner != null ? REDACTED : redactValue(inner, depth + 1),
      ]),
  );
}

/** The query strings of webhook URLs often contain tokens. */
function redactText(text: string): string {
  const clean = redactUrls(storable(text)).replace(/^(https?:\/\/[^?\s]*)\?.*$/s, `$1?${REDACTED}`);
  return clean.length > MAX_TEXT ? `${clean.slice(0, MAX_TEXT).toWellFormed()}...` : clean;
}
