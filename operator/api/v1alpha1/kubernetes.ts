/**
 * Types that PcfApi shares with the Kubernetes API: quantities, references,
 * durations, each with the keywords of its OpenAPI schema.
 */
import { z } from 'zod';

/** YAML options for kubectl, whose parser implements YAML 1.1: a plain `Off` would be false. */
export const KUBERNETES_YAML = { version: '1.1', lineWidth: 110, aliasDuplicateObjects: false } as const;

/** A CEL rule of the CRD. The API server returns `message` to the client. */
export interface CelRule {
  rule: string;
  message: string;
  reason?: 'FieldValueInvalid' | 'FieldValueForbidden' | 'FieldValueRequired' | 'FieldValueDuplicate';
  fieldPath?: string;
}

/** Attaches CEL rules to a schema; z.toJSONSchema copies them to where they stand. */
export function cel(...rules: CelRule[]): { 'x-kubernetes-validations': CelRule[] } {
  return { 'x-kubernetes-validations': rules };
}

/** RFC 1123 label. */
export const dnsLabel = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);

/** A reference to an image, by tag or digest. */
export const imageName = z
  .string()
  .min(1)
  .max(512)
  .regex(/^[a-z0-9][^\s]*$/);

/** A map of strings, such as labels, with a maximum number of entries and a maximum length of values. */
export function stringMap(maxLength: number, maxProperties: number) {
  return z
    .record(z.string(), z.string().max(maxLength))
    .refine(
      (map) => Object.keys(map).length <= maxProperties,
      `must not have more than ${maxProperties} entries`,
    )
    .meta({ maxProperties });
}

/** Labels of an object or of a selector. */
export const labels = stringMap(63, 64);

/** A short text in the status, such as a name or an image. */
export const shortText = z.string().max(1024);
/** A long text in the status, such as the error message of another program. */
export const longText = z.string().max(32_768);

/** A time in RFC 3339 format. */
export const time = (description: string) => z.string().max(64).meta({ description, format: 'date-time' });

/** A name of up to 253 characters, as Secrets and ConfigMaps may have. */
export const objectName = z
  .string()
  .min(1)
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);

/** Message for a value that violates the pattern of a quantity. It does not use the pattern: the CEL cost limit depends on the maximum length. */
export const isQuantity: CelRule = {
  rule: 'type(self) == int || isQuantity(self)',
  message: 'must be a quantity such as 500m, 2 or 4Gi',
};

/** Maximum digits per suffix: a quantity is about 1e15 (1 PB) at most, which a JavaScript number represents exactly. */
const QUANTITY = [
  [15, 'm?'],
  [12, '(k|Ki)'],
  [9, '(M|Mi)'],
  [6, '(G|Gi)'],
  [3, '(T|Ti)'],
] as const;
const quantityPattern = QUANTITY.map(
  ([digits, suffix]) => `([0-9]{1,${digits}}|[0-9]{0,${digits}}\\.[0-9]{1,9})${suffix}`,
).join('|');

/** Quantity without a CEL rule, for use in lists: the CEL cost limit counts the maximum number of items. */
export const bareQuantity = z.union([z.int().min(0).max(1e15), z.string().max(32)]).meta({
  'x-kubernetes-int-or-string': true,
  pattern: `^(${quantityPattern})$`,
});

/** resource.Quantity: `500m`, `2`, `4Gi`. An integer in YAML is fine too. */
export const quantity = bareQuantity.meta(cel(isQuantity));

/** Six digits per unit: a value that overflows Go's duration does not match, and does not fail in the rule below. */
const DURATION = /^([0-9]{1,6}(h|m|s|ms))+$/;

/** One year: dates and timers can be computed with it, and no step of a delivery takes longer. */
const LONGEST = '8760h';

/** Message for a duration that violates the pattern or the bound. */
export const isDuration: CelRule = {
  rule: `self.matches('${DURATION.source}') && duration(self) <= duration('${LONGEST}')`,
  message: `must be a duration such as 90s or 1h30m, of at most ${LONGEST}`,
};

/** A Go duration of whole units, such as `90s` or `1h30m`, of at most a year. */
export const duration = z
  .string()
  .max(24)
  .regex(DURATION)
  .refine((text) => durationMs(text) <= durationMs(LONGEST), isDuration.message)
  .meta(cel(isDuration));

/** A duration with its own bounds. */
export function durationWithin(least: string, most: string) {
  return duration.meta(
    cel(isDuration, {
      rule: `duration(self) >= duration('${least}') && duration(self) <= duration('${most}')`,
      message: `must be between ${least} and ${most}`,
    }),
  );
}

/** Milliseconds of a valid {@link duration}. */
export function durationMs(text: string): number {
  const unitMs: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };
  const parts = text.matchAll(/(\d+)(ms|h|m|s)/g);
  return [...parts].reduce((sum, [, count, unit]) => sum + Number(count) * unitMs[unit!]!, 0);
}

/** One key of a Secret in the PcfApi's own namespace. */
export function secretKeyRef(what: string, defaultKey: string) {
  return z.strictObject({
    name: objectName.meta({ description: `Name of the Secret with ${what}, in this namespace.` }),
    key: z
      .string()
      .min(1)
      .max(253)
      .regex(/^[-._a-zA-Z0-9]+$/)
      .default(defaultKey)
      .meta({ description: `Key in the Secret whose value is ${what}.` }),
  });
}

/** metav1.Condition. */
export const condition = z.strictObject({
  type: z.string().max(316).meta({ description: 'Name of the condition, in CamelCase.' }),
  status: z.enum(['True', 'False', 'Unknown']).meta({ description: 'Status of the condition.' }),
  observedGeneration: z
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .meta({ description: 'metadata.generation that the condition was computed for.', format: 'int64' }),
  lastTransitionTime: time('Time of the last change of the status.'),
  reason: z
    .string()
    .min(1)
    .max(1024)
    .meta({ description: 'Reason of the last transition, in UpperCamelCase.' }),
  message: z.string().max(32768).meta({ description: 'Details of the reason, as a sentence.' }),
});
export type Condition = z.infer<typeof condition>;
