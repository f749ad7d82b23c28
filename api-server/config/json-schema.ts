import { z } from 'zod';
import { baseValues, type Values } from './layers.js';
import { fileSettingsSchema } from './schema.js';

interface SchemaNode {
  properties?: Record<string, SchemaNode>;
  required?: string[];
  default?: unknown;
}

/**
 * JSON Schema of a settings file. Files contain only the settings that they override, so none is
 * required. The defaults are the values of base.toml.
 */
export async function configJsonSchema(): Promise<Record<string, unknown>> {
  const schema = z.toJSONSchema(fileSettingsSchema, { io: 'input' });
  relax(schema as SchemaNode, await baseValues());
  return schema;
}

function relax(node: SchemaNode, value: unknown): void {
  if (!node.properties) {
    if (value !== undefined) node.default = value;
    return;
  }
  delete node.required;
  for (const [key, child] of Object.entries(node.properties))
    relax(child, (value as Values | undefined)?.[key]);
}
