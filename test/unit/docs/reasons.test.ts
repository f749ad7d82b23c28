import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { REASONS } from '../../../operator/api/v1alpha1/reasons.js';

const OPERATE = 'docs/operate.md';
const CONSTANTS = 'api/v1alpha1/reasons.ts';

/** The reasons in the first column of the tables. */
function documentedReasons(): string[] {
  const text = readFileSync(OPERATE, 'utf8');
  const section = text.slice(text.indexOf('## What does it wait for?'), text.indexOf('## Dashboard'));
  const firstCells = section.split('\n').flatMap((line) => /^\| (`[A-Z].*?) \|/.exec(line)?.[1] ?? []);
  return firstCells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map(([, reason]) => reason!));
}

describe(`condition reasons in ${OPERATE}`, () => {
  it('are the constants of the operator, in one row each', () => {
    assert.deepEqual(documentedReasons().toSorted(), Object.keys(REASONS).sort());
  });

  it('are all used in the operator', () => {
    const files = readdirSync('operator', { recursive: true, encoding: 'utf8' });
    const code = files
      .filter((file) => file.endsWith('.ts') && file !== CONSTANTS)
      .map((file) => readFileSync(`operator/${file}`, 'utf8'))
      .join('\n');
    assert.deepEqual(
      Object.keys(REASONS).filter((reason) => !code.includes(`'${reason}'`)),
      [],
    );
  });
});
