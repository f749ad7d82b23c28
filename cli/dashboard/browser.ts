/**
 * Opens the browser. The URL contains the token, and process arguments are visible to all users of
 * the machine. Therefore the browser opens a file with a redirect that only the caller can read.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const openers: Partial<Record<NodeJS.Platform, [string, ...string[]]>> = {
  darwin: ['open'],
  win32: ['cmd', '/c', 'start', ''],
};

/** Ignores errors: the URL is printed anyway. */
export function openBrowser(address: string, until: AbortSignal): void {
  const folder = mkdtempSync(join(tmpdir(), 'pcf-dashboard-'));
  until.addEventListener('abort', () => rmSync(folder, { recursive: true, force: true }), { once: true });
  const file = join(folder, 'open.html');
  const page = `<!doctype html><meta http-equiv="refresh" content="0; url=${address}"><a href="${address}">dashboard</a>\n`;
  writeFileSync(file, page, { mode: 0o600 });
  const [program, ...args] = openers[process.platform] ?? ['xdg-open'];
  spawn(program, [...args, pathToFileURL(file).href], { stdio: 'ignore', detached: true })
    .once('error', () => {})
    .unref();
}
