/** Truncates long texts, such as an error message of a webhook: the API server would reject the whole status. */
import { z } from 'zod';
import { type PcfApiStatus, pcfApiStatus } from '../status.js';

interface Bounds {
  maxLength?: number;
  maxItems?: number;
  minimum?: number;
  maximum?: number;
  items?: Bounds;
  properties?: Record<string, Bounds>;
}

const { properties: fields = {} } = z.toJSONSchema(pcfApiStatus, {
  target: 'openapi-3.0',
  io: 'input',
  reused: 'inline',
}) as Bounds;

/** Truncates values that exceed the schema, except lists of `delivery`, which the operator reads back. */
export function withinBounds({ delivery, ...report }: PcfApiStatus): PcfApiStatus {
  const cutReport = cut(report, { properties: fields }) as PcfApiStatus;
  return delivery ? { ...cutReport, delivery: cut(delivery, fields.delivery, false) as never } : cutReport;
}

function cut(value: unknown, bounds: Bounds = {}, cutLists = true): unknown {
  const { maxLength, maxItems, items, properties } = bounds;
  if (typeof value === 'string') return cutText(value, maxLength);
  if (typeof value === 'number') return cutNumber(value, bounds);
  if (Array.isArray(value))
    return value.slice(0, cutLists ? maxItems : undefined).map((item) => cut(item, items, cutLists));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, field]) => [key, cut(field, properties?.[key], cutLists)]);
  return Object.fromEntries(entries);
}

function cutNumber(value: number, { minimum = value, maximum = value }: Bounds): number {
  return Math.min(maximum, Math.max(minimum, value));
}

/** The API server would replace a lone surrogate, and the status would be written at each reconcile. */
function cutText(text: string, maxLength = text.length): string {
  return text.length <= maxLength ? text.toWellFormed() : `${text.slice(0, maxLength - 1).toWellFormed()}…`;
}
