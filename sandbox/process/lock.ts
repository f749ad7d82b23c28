/**
 * A lock that is released by a crash: it belongs to a process, and is invalid when the process has exited.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatIdentity, identityOf, parseIdentity, stillRuns } from './identity.js';

/** Maximum duration of a build. */
const LIMIT_MS = 80 * 60_000;

/**
 * Runs `work` while this process owns the folder `path`; a second process waits for at most `limitMs`. The
 * folder is deleted with the lock, also at an exit, and can hold temporary files.
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  onWait: () => void,
  limitMs = LIMIT_MS,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (let told = false; !take(path); told = true) {
    if (!told) onWait();
    if (performance.now() > deadline)
      throw new Error(`the lock ${path} is held by another process: not free within ${limitMs / 1000} s`);
    await sleep(500);
  }
  const give = () => rmSync(path, { recursive: true, force: true });
  process.once('exit', give);
  try {
    return await work();
  } finally {
    process.removeListener('exit', give);
    give();
  }
}

function take(path: string): boolean {
  const mine = `${path}.${process.pid}`;
  mkdirSync(mine, { recursive: true });
  const self = identityOf(process.pid);
  writeFileSync(join(mine, 'owner'), self ? formatIdentity(self) : '');
  try {
    // A rename to a non-empty folder fails, so only one process succeeds.
    renameSync(mine, path);
    return true;
  } catch {
    rmSync(mine, { recursive: true, force: true });
  }
  if (ownerRuns(path)) return false;
  // If two processes detect the same dead owner, one removes its lock, and the other retries.
  const dead = `${mine}.dead`;
  try {
    renameSync(path, dead);
    rmSync(dead, { recursive: true, force: true });
  } catch {
    // the other process
  }
  return take(path);
}

function ownerRuns(path: string): boolean {
  try {
    const owner = parseIdentity(readFileSync(join(path, 'owner'), 'utf8'));
    return owner !== undefined && stillRuns(owner);
  } catch {
    return false; // just released
  }
}
