import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, normalize } from 'node:path';
import { githubSlug } from '../../../scripts/github-slug.js';

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

const read = (page: string) => readFileSync(page, 'utf8');

/** Removes code, which contains no links. */
const withoutCode = (text: string) => text.replaceAll(/^```.*?^```/gms, '').replaceAll(/`[^`\n]+`/g, '');

function anchorsOf(page: string): Set<string> {
  const headings = read(page)
    .replaceAll(/^```.*?^```/gms, '')
    .matchAll(/^#+ (.+)$/gm);
  return new Set([...headings].map(([, heading]) => githubSlug(heading!)));
}

/** Error of a broken link, or undefined. */
function broken(page: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#');
  const target = path ? normalize(`${dirname(page)}/${path}`) : page;
  if (!existsSync(target)) return `${page}: ${link}: there is no ${target}`;
  if (anchor === undefined || statSync(target).isDirectory()) return undefined;
  return anchorsOf(target).has(anchor) ? undefined : `${page}: ${link}: ${target} has no such heading`;
}

describe('documentation', () => {
  it('has no broken links within the repository', () => {
    const links = pages.flatMap((page) =>
      [...withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, link]) => link!)
        .filter((link) => !/^[a-z]+:/.test(link))
        .map((link) => ({ page, link })),
    );
    assert.ok(links.length > 50, `only ${links.length} links were found`);
    assert.deepEqual(
      links.flatMap(({ page, link }) => broken(page, link) ?? []),
      [],
    );
  });

  it('has a link in the README to every page', () => {
    const readme = read('README.md');
    const missing = pages.filter((page) => page !== 'README.md' && !readme.includes(`(${page})`));
    assert.deepEqual(missing, []);
  });

  it('has every page in the navigation of the site', () => {
    const navigation = read('docs/.vitepress/navigation.ts');
    const names = readdirSync('docs').flatMap((name) => /^(.+)\.md$/.exec(name)?.[1] ?? []);
    const missing = names.filter((name) => name !== 'index' && !navigation.includes(`'${name}')`));
    assert.deepEqual(missing, []);
  });

  it('has a runbook for every alert rule', () => {
    const rules = read('deploy/alerts/pcf.rules.yaml');
    const runbooks = [...rules.matchAll(/docs\/(alerts\.md#\S+)/g)].map(([, link]) => link!);
    assert.deepEqual(
      [...new Set(runbooks)].flatMap((link) => broken('docs/alerts.md', link) ?? []),
      [],
    );
  });
});
