import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';

const OPERATE = 'docs/operate.md';

/** Where reasons of `Ready` and `Degraded` come from. */
const SOURCES = [
  'operator/reconciler/summary.ts',
  'operator/reconciler/issues.ts',
  'operator/reconciler/obstacle.ts',
  'operator/reconciler/observe.ts',
  'operator/delivery/abort-rules.ts',
];

/** As in `reason: 'A'`, `reason: x ? 'A' : 'B'`, `stays('A', ...)` and `waitingFor('A', ...)`. */
function reasonsIn(code: string): string[] {
  const expressions = [...code.matchAll(/\breason: ([^,\n]+)/g)].map(([, expression]) => `:${expression}`);
  const ofExpressions = expressions.flatMap((expression) => [...expression.matchAll(/[?:]\s*'([A-Z]\w+)'/g)]);
  const ofCalls = [...code.matchAll(/\b(?:stays|waitingFor)\('([A-Z]\w+)'/g)];
  return [...ofExpressions, ...ofCalls].map(([, reason]) => reason!);
}

/** What the first column of the tables of reasons names. */
function reasonsTold(): string[] {
  const text = readFileSync(OPERATE, 'utf8');
  const section = text.slice(text.indexOf('## What does it wait for?'), text.indexOf('## Dashboard'));
  const firstCells = section.split('\n').flatMap((line) => /^\| (`[A-Z].*?) \|/.exec(line)?.[1] ?? []);
  return firstCells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, reason]) => reason!));
}

describe(`the reasons in ${OPERATE}`, () => {
  const told = reasonsTold();

  it('have every reason that the operator gives', () => {
    const given = new Set(SOURCES.flatMap((file) => reasonsIn(readFileSync(file, 'utf8'))));
    assert.ok(given.size >= 25, `only ${[...given].join(', ')} were found in the code`);
    assert.deepEqual(
      [...given].filter((reason) => !told.includes(reason)),
      [],
    );
  });

  it('are all given somewhere, each once in the tables', () => {
    const files = readdirSync('operator', { recursive: true, encoding: 'utf8' });
    const code = files
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(`operator/${file}`, 'utf8'))
      .join('\n');
    assert.deepEqual(
      told.filter((reason) => !code.includes(`'${reason}'`)),
      [],
    );
    assert.deepEqual(told.toSorted(), [...new Set(told)].sort());
  });
});
