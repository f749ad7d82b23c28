/** Reads the settings schema as a tree: which paths there are and what each one holds. */
import { z } from 'zod';
import { fileSettingsSchema } from './schema.js';

type Node = z.core.$ZodType;

/** The schema at a path, or undefined when the settings have no such path. */
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

/** Whether the path is a section, which holds settings, rather than a setting. */
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
 * A variable's text as the type its setting has. Text that does not fit is left
 * as it is, for the schema to refuse with what it expected.
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
