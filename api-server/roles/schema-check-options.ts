import { z } from 'zod';
import { ENV } from '../../contract/image.js';
import { ConfigError } from '../config/config-error.js';

export interface SchemaCheckOptions {
  /** How long a recorded use counts. In milliseconds. */
  windowMs: number;
  /** Clients and applications whose use does not count. */
  ignoreClients: readonly string[];
}

const names = z.array(z.string());

/** From the environment variables that the operator sets. Undefined when it requires no check. Throws a ConfigError. */
export function schemaCheckOptions(env: NodeJS.ProcessEnv): SchemaCheckOptions | undefined {
  const window = env[ENV.schemaCheckWindow];
  if (!window) return undefined;
  const windowMs = Number(window);
  if (!Number.isSafeInteger(windowMs) || windowMs <= 0) {
    throw new ConfigError([
      { path: ENV.schemaCheckWindow, problem: 'expected a positive number of milliseconds' },
    ]);
  }
  return { windowMs, ignoreClients: ignoredIn(env[ENV.schemaCheckIgnore]) };
}

function ignoredIn(text: string | undefined): string[] {
  try {
    return names.parse(JSON.parse(text || '[]'));
  } catch {
    throw new ConfigError([{ path: ENV.schemaCheckIgnore, problem: 'expected a JSON array of names' }]);
  }
}
