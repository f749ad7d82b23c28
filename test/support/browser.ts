/** A headless Chromium for tests: the machine's own, or installed from its packages where that is allowed. */
import { readFileSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { systemProgram } from './system-program.js';

/** A started browser, or undefined (and why, on stderr) when this machine can't have one. */
export async function startBrowser(): Promise<Browser | undefined> {
  const executablePath = systemProgram('chromium');
  if (!executablePath) {
    console.warn('Browser tests are skipped: there is no chromium on PATH, and it could not be installed');
    return undefined;
  }
  // Chromium's own sandbox refuses to run as root, as most containers do.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath, args });
}

interface AxeResult {
  violations: { id: string; nodes: { html: string }[] }[];
}

/** What is not accessible, by axe-core's rules: empty when nothing is found. */
export async function accessibilityProblems(page: Page): Promise<string[]> {
  await page.evaluate(readFileSync('node_modules/axe-core/axe.min.js', 'utf8'));
  const { violations } = (await page.evaluate('axe.run()')) as AxeResult;
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
}
