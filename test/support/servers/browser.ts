/** A headless Chromium for tests: from PATH, or installed from Debian packages if possible. */
import { readFileSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { systemProgram } from '../processes/system-program.js';

/** Starts a browser. Returns undefined and prints a warning if Chromium is unavailable. */
export async function startBrowser(): Promise<Browser | undefined> {
  const executablePath = systemProgram('chromium');
  if (!executablePath) {
    console.warn('Browser tests are skipped: chromium is not on PATH and could not be installed');
    return undefined;
  }
  // Chromium's sandbox does not run as root, the user of most containers.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath, args });
}

interface AxeResult {
  violations: { id: string; nodes: { html: string }[] }[];
}

/** Violations of axe-core's accessibility rules. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(readFileSync('node_modules/axe-core/axe.min.js', 'utf8'));
  const { violations } = (await page.evaluate('axe.run()')) as AxeResult;
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
}
