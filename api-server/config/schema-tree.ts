/** Access to the settings schema by path. */
import { z } from 'zod';
import { fileSettingsSchema } from './schema.js';

type Node = z.core.$ZodType;

/** The schema at a path; undefined for an unknown path. */
export function schemaAt(path: readonly string[]): Node | undefined {
  let node: Node | undefined = fileSettingsSchema;
  for (const key of path) {
    const section: Record<string, Node> | undefined = sectionOf(node);
    node = section && Object.hasOwn(section, key) ? section[key] : undefined;
  }
  return node;
}

/** The dotted paths of all settings. */
export function settingPaths(): string[] {
  return leaves(fileSettingsSchema, []);
}

/** Whether the path is a section of settings. */
export function isSection(path: readonly string[]): boolean {
  return sectionOf(schemaAt(path)) !== undefined;
}

/** Whether the value at this path must never be printed. */
export function isSecret(path: readonly string[]): boolean {
  const node = schemaAt(path);
  if (!node) return false;
  return [node, unwrap(node)].some((schema) => z.globalRegistry.get(schema)?.writeOnly === true);
}

/**
 * Converts the text of a variable to the type of its setting. Text that cannot be converted is
 * returned unchanged; the schema then rejects it.
 */
export function coerce(path: readonly string[], text: string): unknown {
  const node = schemaAt(path);
  const schema = node && unwrap(node);
  if (schema instanceof z.ZodNumber && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (schema instanceof z.ZodArray) return text === '' ? [] : text.split(',').map((part) => part.trim());
  if (schema instanceof z.ZodBoolean && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

function leaves(node: Node, path: string[]): string[] {
  const section = sectionOf(node);
  if (!section) return [path.join('.')];
  return Object.entries(section).flatMap(([key, child]) => leaves(child, [...path, key]));
}

function sectionOf(node: Node | undefined): Record<string, Node> | undefined {
  return node instanceof z.ZodObject ? node.shape : undefined;
}

function unwrap(node: Node): Node {
  return node instanceof z.ZodOptional ? node.unwrap() : node;
}
