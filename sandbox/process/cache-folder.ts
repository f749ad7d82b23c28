import { homedir } from 'node:os';
import { join } from 'node:path';

/** Cache folder of the user for this project, according to the platform. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'pcf-operator');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'pcf-operator');
  return join(homedir(), '.cache', 'pcf-operator');
}
