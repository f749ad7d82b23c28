/** Documents of trusted clients, registered at build time. In production, all others can be rejected. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../../config/config-error.js';
import { sha256 } from '../execution/known-documents.js';

export class TrustedDocuments {
  private constructor(private readonly texts: ReadonlyMap<string, string>) {}

  /**
   * `path` is a JSON file that maps SHA-256 hashes to documents, as Relay and GraphQL Code
   * Generator write it, or Apollo's manifest; or a folder of such files and of *.graphql files with
   * one document each. Throws a ConfigError when it cannot be loaded.
   */
  static read(path: string): TrustedDocuments {
    try {
      const files = statSync(path).isDirectory()
        ? readdirSync(path)
            .filter((name) => /\.(json|graphql|gql)$/.test(name))
            .map((name) => join(path, name))
        : [path];
      const texts = files.flatMap(textsIn);
      return new TrustedDocuments(new Map(texts.map((text) => [sha256(text), text])));
    } catch (error) {
      const problem = `cannot be loaded: ${(error as Error).message}`;
      throw new ConfigError([{ path: 'graphql.trusted_documents', problem }]);
    }
  }

  get size(): number {
    return this.texts.size;
  }

  get all(): Iterable<string> {
    return this.texts.values();
  }

  byHash(hash: string): string | undefined {
    return this.texts.get(hash);
  }

  has(text: string): boolean {
    return this.texts.has(sha256(text));
  }
}

function textsIn(file: string): string[] {
  const content = readFileSync(file, 'utf8');
  if (!file.endsWith('.json')) return [content];
  const manifest = JSON.parse(content) as Record<string, unknown>;
  const entries: [string, unknown][] = Array.isArray(manifest.operations)
    ? manifest.operations.map(({ id, body }: { id: string; body: unknown }) => [id, body])
    : Object.entries(manifest);
  return entries.map(([id, text]) => {
    if (typeof text === 'string' && sha256(text) === id.replace(/^sha256:/, '')) return text;
    throw new Error(`${file}: ${id} is not the SHA-256 hash of its document`);
  });
}
