import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from '@cdktf/hcl2json';

export const TERRAFORM = 'deploy/terraform';

/** A body in HCL as JSON: an attribute is a value, a block is a list of bodies. */
export type Body = Record<string, unknown>;
export type Resource = { file: string; kind: 'resource' | 'data'; type: string; name: string; body: Body };

/** Paths of the files below deploy/terraform with this extension. */
export function terraformFiles(extension: string): string[] {
  return readdirSync(TERRAFORM, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(extension))
    .map((file) => join(TERRAFORM, file))
    .toSorted();
}

export async function parseFile(file: string): Promise<Body> {
  return parse(file, readFileSync(file, 'utf8')) as Promise<Body>;
}

/** All resources and data sources of the .tf files. */
export async function terraformResources(): Promise<Resource[]> {
  const files = await Promise.all(
    terraformFiles('.tf').map(async (file) => ({ file, content: await parseFile(file) })),
  );
  return files.flatMap(({ file, content }) =>
    (['resource', 'data'] as const).flatMap((kind) =>
      Object.entries((content[kind] ?? {}) as Record<string, Record<string, Body[]>>).flatMap(
        ([type, named]) =>
          Object.entries(named).flatMap(([name, bodies]) =>
            bodies.map((body) => ({ file, kind, type, name, body })),
          ),
      ),
    ),
  );
}
