/** Commands of the documentation, for scenarios that run them as they are written. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

/**
 * Script of a section of a page: block `index` of the language `sh`, counted from 0, with the texts of
 * `replace` replaced. Throws if one of them is missing, because the page has changed.
 */
export function documented(
  page: string,
  heading: string,
  index: number,
  replace: Record<string, string>,
): string {
  const text = readFileSync(page, 'utf8');
  const start = text.indexOf(`${heading}\n`);
  assert.notEqual(start, -1, `${page} has no heading ${heading}`);
  const level = /^#+/.exec(heading)![0].length;
  const next = text.slice(start + heading.length).search(new RegExp(`^#{1,${level}} `, 'm'));
  const section = next === -1 ? text.slice(start) : text.slice(start, start + heading.length + next);
  const block = [...section.matchAll(/```sh\n([\s\S]*?)```/g)][index]?.[1];
  assert.ok(block, `${page}, ${heading}: no block ${index}`);
  return Object.entries(replace).reduce((script, [from, to]) => {
    assert.ok(script.includes(from), `${page}, ${heading}: ${from} is missing in ${script}`);
    return script.replaceAll(from, to);
  }, block);
}
