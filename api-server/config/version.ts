import { readFileSync } from 'node:fs';
import { shippedPath } from '../../contract/shipped-files.js';

/** Version of this image: PCF_VERSION, or the version of the nearest package.json. */
export function version(env: NodeJS.ProcessEnv = process.env): string {
  return env.PCF_VERSION || packageVersion();
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(shippedPath('package.json', import.meta.url), 'utf8')) as {
    version?: string;
  };
  return version ?? '0.0.0';
}
