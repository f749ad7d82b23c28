/** Checks the texts of the repository against scripts/glossary.yaml. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { type Kind, textsOf } from './texts.js';

export interface Rule {
  avoid: string;
  use: string;
  in?: Kind[];
}

interface Glossary {
  rules: Rule[];
  allow: { path: string; reason: string }[];
}

const GLOSSARY = 'scripts/glossary.yaml';

/** One line per finding: place, words, replacement. */
export function findings(path: string, content: string, rules: readonly Rule[]): string[] {
  return textsOf(path, content).flatMap(({ kind, line, text }) =>
    rules
      .filter((rule) => rule.in?.includes(kind) ?? true)
      .flatMap(({ avoid, use }) => {
        const found = new RegExp(avoid, 'i').exec(text);
        if (!found) return [];
        const offset = text.slice(0, found.index).split('\n').length - 1;
        return [`${path}:${line + offset}: "${found[0]}" in a ${kind}: use ${use}`];
      }),
  );
}

function main(): number {
  const { rules, allow } = parse(readFileSync(GLOSSARY, 'utf8')) as Glossary;
  const files = execFileSync('git', ['ls-files'], { encoding: 'utf8' }).trim().split('\n');
  const checked = files.filter(
    (file) => file !== GLOSSARY && !allow.some(({ path }) => file.startsWith(path)),
  );
  const found = checked.flatMap((file) => findings(file, readFileSync(file, 'utf8'), rules));
  for (const finding of found) console.error(finding);
  if (found.length > 0) console.error(`${found.length} findings; ${GLOSSARY} lists the words to avoid`);
  return found.length > 0 ? 1 : 0;
}

if (process.argv[1] === import.meta.filename) process.exit(main());
