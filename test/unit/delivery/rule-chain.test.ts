import assert from 'node:assert/strict';
import { allFindings, type Finding, firstFinding, type Rule } from '../../../operator/delivery/rule-chain.js';

const above =
  (limit: number): Rule<number> =>
  (value): Finding | undefined =>
    value > limit ? { reason: `Above${limit}`, message: `${value} > ${limit}` } : undefined;
const rules = [above(10), above(5)];

describe('rule chain', () => {
  it('firstFinding returns the finding of the first rule that applies', () => {
    assert.equal(firstFinding(rules, 20)?.reason, 'Above10');
    assert.equal(firstFinding(rules, 7)?.reason, 'Above5');
    assert.equal(firstFinding(rules, 1), undefined);
  });

  it('allFindings returns the findings of all rules that apply, in order', () => {
    assert.deepEqual(
      allFindings(rules, 20).map(({ reason }) => reason),
      ['Above10', 'Above5'],
    );
    assert.deepEqual(allFindings(rules, 1), []);
  });
});
