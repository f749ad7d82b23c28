/** Texts for readers in a file: comments, string literals, test titles, names and Markdown. Pure. */
import { createScanner } from 'typescript/unstable/ast/scanner';

export type Kind = 'comment' | 'text' | 'title' | 'name' | 'doc';

export interface Text {
  kind: Kind;
  line: number;
  text: string;
}

/** Empty for a file format without texts. */
export function textsOf(path: string, content: string): Text[] {
  if (/\.(ts|js|mjs)$/.test(path)) return textsOfCode(content);
  if (path.endsWith('.md')) return textsOfMarkdown(content);
  if (path.endsWith('.graphql')) return descriptionsOf(content);
  if (/\.(ya?ml|toml|tf|tfvars|hcl)$|(^|\/)Dockerfile/.test(path)) return textsOfYaml(content);
  return [];
}

/** Functions of Mocha, and wrappers with a title as first argument. */
const TITLED = /^(it|describe|right|beside|patient|killing)$/;
/** Reasons, alerts and values of enums, such as `ImagePullFailed`. */
const NAME = /^[A-Z][a-z]+([A-Z][a-z]+)+$/;

function textsOfCode(content: string): Text[] {
  const texts: Text[] = [];
  let previous: string[] = [];
  for (const { kind, text, start } of tokensOf(content)) {
    const line = lineAt(content, start);
    if (kind === 'comment') texts.push({ kind, line, text: text.replaceAll(/`[^`\n]*`/g, '') });
    if (kind === 'string') {
      const isTitle = previous[1] === '(' && TITLED.test(previous[0] ?? '');
      if (isTitle) texts.push({ kind: 'title', line, text });
      else if (NAME.test(text)) texts.push({ kind: 'name', line, text: wordsOf(text) });
      else if (/\w \w/.test(text)) texts.push({ kind: 'text', line, text });
    }
    if (kind !== 'comment') previous = [previous[1] ?? '', text];
  }
  return texts;
}

interface Token {
  kind: 'comment' | 'string' | 'other';
  text: string;
  start: number;
}

/** Values of SyntaxKind. */
const END = 1;
const COMMENTS = [2, 3];
const WHITESPACE = [4, 5];
const STRINGS = [10, 14, 15, 16, 17];

/** Tokens without whitespace. Strings have no quotes. */
function* tokensOf(content: string): Generator<Token> {
  const scanner = createScanner(false);
  scanner.setText(content);
  const braces: ('template' | 'block')[] = [];
  let isAfterValue = false;
  for (let kind: number = scanner.scan(); kind !== END; kind = scanner.scan()) {
    let text = scanner.getTokenText();
    if (text === '{') braces.push('block');
    if (text === '}' && braces.pop() === 'template') kind = scanner.reScanTemplateToken(false);
    // The scanner does not distinguish a regular expression from a division.
    if ((text === '/' || text === '/=') && !isAfterValue) kind = scanner.reScanSlashToken();
    text = scanner.getTokenText();
    if (text.endsWith('${')) braces.push('template');
    if (WHITESPACE.includes(kind)) continue;
    const start = scanner.getTokenStart();
    if (COMMENTS.includes(kind)) {
      yield { kind: 'comment', text, start };
      continue;
    }
    isAfterValue = /[\w)\]}'"`]$/.test(text) && !/^(return|case|typeof|await|yield|in|of)$/.test(text);
    if (STRINGS.includes(kind)) yield { kind: 'string', text: unquoted(text), start };
    else yield { kind: 'other', text, start };
  }
}

/** Also of the parts of a template. */
function unquoted(literal: string): string {
  return literal.replaceAll(/^['"`}]|(['"`]|\$\{)$/g, '').replaceAll('\\n', ' ');
}

function textsOfMarkdown(content: string): Text[] {
  const prose = content.replaceAll(/^```.*?^```/gms, (block) => block.replaceAll(/[^\n]/g, ''));
  return prose.split('\n').map((text, index) => ({
    kind: 'doc' as const,
    line: index + 1,
    text: text.replaceAll(/`[^`]*`/g, '').replaceAll(/\]\([^)]*\)/g, ']'),
  }));
}

function textsOfYaml(content: string): Text[] {
  return content.split('\n').flatMap((line, index): Text[] => {
    const [, comment] = /(?:^|\s)#\s?(.*)/.exec(line) ?? [];
    const [, alert] = /^\s*- alert: (\w+)/.exec(line) ?? [];
    const [, text] = /^\s*(?:summary|description): (.*)/.exec(line) ?? [];
    return [
      ...(comment
        ? [{ kind: 'comment' as const, line: index + 1, text: comment.replaceAll(/`[^`]*`/g, '') }]
        : []),
      ...(alert ? [{ kind: 'name' as const, line: index + 1, text: wordsOf(alert) }] : []),
      ...(text ? [{ kind: 'text' as const, line: index + 1, text }] : []),
    ];
  });
}

/** Descriptions of a GraphQL schema. */
function descriptionsOf(content: string): Text[] {
  return [...content.matchAll(/"""(.*?)"""/gs)].map(({ 1: text = '', index }) => ({
    kind: 'text',
    line: lineAt(content, index),
    text,
  }));
}

function wordsOf(name: string): string {
  return name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ');
}

function lineAt(content: string, position: number): number {
  return content.slice(0, position).split('\n').length;
}
