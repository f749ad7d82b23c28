import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { fitReport } from '../../../api-server/migrations/engine/report.js';
import { leaveLastWords } from '../../../api-server/observability/crash-report.js';
import { type MigrationReport, migrationReportSchema } from '../../../contract/image.js';

const LIMIT = 4_096;
const names = (count: number, kind: string) =>
  Array.from({ length: count }, (_, index) => `${kind}Something${1795370000000 + index}`);
const report = (more: Partial<MigrationReport> = {}): MigrationReport => ({
  outcome: 'failed',
  current: 'A1795370000001',
  applied: [],
  pending: [],
  durationMs: 12,
  retry: true,
  ...more,
});
const fitted = (more: Partial<MigrationReport>) => {
  const text = fitReport(report(more));
  assert.ok(Buffer.byteLength(text) <= LIMIT, `${Buffer.byteLength(text)} bytes`);
  return migrationReportSchema.parse(JSON.parse(text));
};

describe('the report of a migration run, in the bytes a kubelet reads', () => {
  it('what is decided by stays whole while something else can go', () => {
    const backfills = names(2, 'Fill');
    const contracts = names(15, 'Drop');
    const ahead = names(15, 'Newer');
    const pending = [...names(300, 'Add'), ...backfills, ...contracts];
    const told = fitted({
      ...{ backfills, contracts, ahead, pending, applied: names(100, 'Done'), error: 'é'.repeat(2_000) },
      findings: names(5, 'Add').map((migration) => ({ migration, rule: 'drop', statement: 'x'.repeat(100) })),
    });
    assert.deepEqual([told.backfills, told.contracts, told.ahead], [backfills, contracts, ahead]);
    assert.equal(told.truncated, undefined);
    assert.deepEqual([told.outcome, told.retry, told.error?.at(-1)], ['failed', true, '…']);
  });

  it('too many even of those: it says so, keeps what is dangerous to miss the longest, and that there are backfills', () => {
    const backfills = names(95, 'Fill');
    const contracts = names(60, 'Drop');
    const many = fitted({ outcome: 'done', backfills, contracts, pending: [...backfills, ...contracts] });
    assert.deepEqual([many.truncated, many.contracts], [true, contracts]);
    assert.ok(many.backfills?.length, 'that there are backfills is what decides');
    const ahead = names(70, 'Newer');
    const more = fitted({ backfills, contracts, ahead });
    assert.deepEqual([more.truncated, more.contracts, more.ahead], [true, contracts, ahead]);
    assert.ok(more.backfills?.length);
    const most = fitted({ backfills, contracts, ahead: names(500, 'Newer') });
    assert.deepEqual([most.truncated, most.contracts], [true, []]);
    assert.ok((most.ahead?.length ?? 0) > 50);
  });

  it('is valid JSON whatever is in it', () => {
    const list = fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }), {
      maxLength: 150,
      size: 'max',
    });
    const some = fc.record(
      {
        ...{ applied: list, pending: list, backfills: list, contracts: list, ahead: list },
        error: fc.string({ unit: 'grapheme', maxLength: 3_000 }),
        backfill: fc.constant({ name: 'x'.repeat(100), rows: 1, total: 2, rowsPerSecond: 3, secondsLeft: 4 }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(some, (more) => {
        fitted(more);
      }),
      { numRuns: 50, endOnFailure: true },
    );
  });

  it('words that can not be left are not taken for left', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pcf-last-words-'));
    const file = join(folder, 'words');
    assert.equal(leaveLastWords('said', { PCF_TERMINATION_LOG: file }), true);
    assert.equal(readFileSync(file, 'utf8'), 'said');
    assert.equal(leaveLastWords('said', { PCF_TERMINATION_LOG: folder }), false);
    assert.equal(leaveLastWords('said', {}), true);
    rmSync(folder, { recursive: true });
  });
});
