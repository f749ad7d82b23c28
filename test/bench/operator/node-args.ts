import { readFileSync } from 'node:fs';

/** Flags of Node.js in the image of the operator. */
export function nodeArgsOfImage(): string[] {
  const dockerfile = readFileSync('Dockerfile.operator', 'utf8');
  const [, entrypoint = '[]'] = /^ENTRYPOINT (.*)$/m.exec(dockerfile) ?? [];
  const [, ...words] = JSON.parse(entrypoint) as string[];
  return words.filter((word) => word.startsWith('--'));
}
