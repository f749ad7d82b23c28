import { readFileSync } from 'node:fs';

/** Flags of Node.js in the image of the operator. */
export const NODE_ARGS = nodeArgsOf(readFileSync('Dockerfile.operator', 'utf8'));

function nodeArgsOf(dockerfile: string): string {
  const [, entrypoint = '[]'] = /^ENTRYPOINT (.*)$/m.exec(dockerfile) ?? [];
  const [, ...words] = JSON.parse(entrypoint) as string[];
  return words.filter((word) => word.startsWith('--')).join(' ');
}
