/** Types of settings. */
import { z } from 'zod';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** "500ms", "30s", "5m" or "1h" in files and variables; milliseconds in `Settings`. */
export const duration = z
  .string()
  .regex(/^\d{1,9}(ms|s|m|h)$/, { error: 'expected a duration such as "500ms", "30s" or "5m"' })
  .transform((text) => Number.parseInt(text, 10) * UNIT_MS[text.replace(/\d+/, '') as keyof typeof UNIT_MS]);

export const port = z.int().min(0).max(65_535);

/** `writeOnly` marks a secret: its value is never printed. */
const secretUrl = (protocols: string[], example: string) =>
  z
    .string()
    .refine((text) => protocols.includes(protocolOf(text)), { error: `expected a URL such as ${example}` })
    .meta({ writeOnly: true });

export const postgresUrl = secretUrl(['postgres:', 'postgresql:'], 'postgresql://host:5432/name');

function protocolOf(text: string): string {
  return URL.canParse(text) ? new URL(text).protocol : '';
}
