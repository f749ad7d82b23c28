import assert from 'node:assert/strict';
import { findings } from '../../../scripts/glossary/check.js';

const rules = [
  { avoid: '\\b(tells?|told)\\b', use: 'report' },
  { avoid: '\\bfought over\\b', use: 'conflict' },
  { avoid: '\\bcall\\b', use: 'request', in: ['doc' as const] },
];
const kindsIn = (path: string, content: string) =>
  findings(path, content, rules).map((finding) => / in a (\w+):/.exec(finding)?.[1]);

describe('glossary check', () => {
  it('finds a word in comments, messages, test titles and names of TypeScript', () => {
    const code = [
      "const regex = /it's \\/ told/; // The server tells it.",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: code under test
      'const text = `${regex} is told ${"x"} by ${regex}`;',
      "it('tells the cause', () => {});",
      "const reason = 'FoughtOver';",
      '/**\n * A comment\n * that tells it.\n */',
    ].join('\n');
    assert.deepEqual(kindsIn('a.ts', code), ['comment', 'text', 'title', 'name', 'comment']);
  });

  it('reports path, line, word and replacement', () => {
    assert.deepEqual(findings('a.ts', '/**\n * It\n * tells it.\n */\n', rules), [
      'a.ts:3: "tells" in a comment: use report',
    ]);
  });

  it('ignores identifiers, single words and code in comments', () => {
    assert.deepEqual(kindsIn('a.ts', "const told = tell('told'); // See `tell`."), []);
  });

  it('checks prose of Markdown, without code and link targets', () => {
    assert.deepEqual(kindsIn('a.md', '`told` [page](told.md)\n\n```sh\ntold\n```\n\nIt is told.\n'), ['doc']);
  });

  it('checks comments, descriptions and alert names of YAML', () => {
    const yaml = '# told\n- alert: ApiFoughtOver\n  annotations:\n    summary: "It is told"\nkey: told\n';
    assert.deepEqual(kindsIn('a.yaml', yaml), ['comment', 'name', 'text']);
  });

  it('checks descriptions of a GraphQL schema', () => {
    assert.deepEqual(kindsIn('a.graphql', '"""What is told."""\ntype Told { told: Int }\n'), ['text']);
  });

  it('applies a rule only to its kinds of text', () => {
    assert.deepEqual(kindsIn('a.md', 'A call.\n'), ['doc']);
    assert.deepEqual(kindsIn('a.ts', '// A call.\n'), []);
  });
});
