import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Version of this image: PCF_VERSION, or the version of the nearest package.json. */
export function version(env: NodeJS.ProcessEnv = process.env): string {
  return env.PCF_VERSION || packageVersion(dirname(fileURLToPath(import.meta.url))) || '0.0.0';
}

function packageVersion(folder: string): string | undefined {
  const file = join(folder, 'package.json');
  if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version?: string }).version;
  const parent = dirname(folder);
  return parent === folder ? undefined : packageVersion(parent);
}
