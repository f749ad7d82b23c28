import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { fitReport } from '../../../api-server/migrations/engine/report.js';
import { writeTerminationMessage } from '../../../api-server/observability/crash-report.js';
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
const parseFitted = (more: Partial<MigrationReport>) => {
  const text = fitReport(report(more));
  assert.ok(Buffer.byteLength(text) <= LIMIT, `${Buffer.byteLength(text)} bytes`);
  return migrationReportSchema.parse(JSON.parse(text));
};

describe('migration report in the termination message', () => {
  it('keeps backfills, contracts and ahead complete while other fields can be shortened', () => {
    const backfills = names(2, 'Fill');
    const contracts = names(15, 'Drop');
    const ahead = names(15, 'Newer');
    const pending = [...names(300, 'Add'), ...backfills, ...contracts];
    const parsed = parseFitted({
      ...{ backfills, contracts, ahead, pending, applied: names(100, 'Done'), error: 'é'.repeat(2_000) },
      findings: names(5, 'Add').map((migration) => ({ migration, rule: 'drop', statement: 'x'.repeat(100) })),
    });
    assert.deepEqual([parsed.backfills, parsed.contracts, parsed.ahead], [backfills, contracts, ahead]);
    assert.equal(parsed.truncated, undefined);
    assert.deepEqual([parsed.outcome, parsed.retry, parsed.error?.at(-1)], ['failed', true, '…']);
  });

  it('keeps at least one change of the schema that is in use, and counts the others', () => {
    const inUse = names(5, 'Service.f').map((coordinate) => ({
      coordinate,
      change: `${coordinate} was removed${' '.repeat(150)}`,
      clients: names(3, 'key:').map((name) => ({ name, lastUsedAt: '2026-11-30T00:00:00.000Z' })),
    }));
    const { schemaCheck, contracts } = parseFitted({
      ...{ outcome: 'done', contracts: names(60, 'Drop'), pending: names(60, 'Drop') },
      schemaCheck: { inUse, more: 2 },
    });
    assert.equal(contracts?.length, 60);
    assert.ok(schemaCheck!.inUse.length >= 1 && schemaCheck!.inUse.length < 5);
    assert.equal(schemaCheck!.inUse.length + (schemaCheck!.more ?? 0), 7);
  });

  it('sets truncated when these lists exceed the limit, and shortens backfills before contracts and ahead', () => {
    const backfills = names(95, 'Fill');
    const contracts = names(60, 'Drop');
    const many = parseFitted({
      outcome: 'done',
      backfills,
      contracts,
      pending: [...backfills, ...contracts],
    });
    assert.deepEqual([many.truncated, many.contracts], [true, contracts]);
    assert.ok(many.backfills?.length, 'the operator depends on whether there are backfills');
    const ahead = names(70, 'Newer');
    const more = parseFitted({ backfills, contracts, ahead });
    assert.deepEqual([more.truncated, more.contracts, more.ahead], [true, contracts, ahead]);
    assert.ok(more.backfills?.length);
    const most = parseFitted({ backfills, contracts, ahead: names(500, 'Newer') });
    assert.deepEqual([most.truncated, most.contracts], [true, []]);
    assert.ok((most.ahead?.length ?? 0) > 50);
  });

  it('shortens hidden objects first, and sets truncated when names of hidden migrations are removed', () => {
    const hidden = (count: number, objects: number) =>
      Array.from({ length: count }, (_, n) => ({
        migration: `Drop${1795370000000 + n}`,
        until: '2026-11-24T10:00:00.000Z',
        objects: Array.from({ length: objects }, (_, m) => `column public.services.column_${m}`),
      }));
    const shorten = (value: ReturnType<typeof hidden>) =>
      migrationReportSchema.parse(
        JSON.parse(
          fitReport({
            outcome: 'done',
            current: null,
            applied: [],
            pending: [],
            durationMs: 1,
            hidden: value,
          }),
        ),
      );
    const many = shorten(hidden(3, 60));
    assert.deepEqual([many.hidden?.length, many.truncated], [3, undefined]);
    assert.equal(
      many.hidden?.at(-1)?.objects?.length,
      60,
      'only as many lists of objects as necessary are removed',
    );
    const tooMany = shorten(hidden(80, 0));
    assert.equal(tooMany.truncated, true);
    assert.ok(tooMany.hidden!.length < 80);
  });

  it('returns valid JSON for any content', () => {
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
        parseFitted(more);
      }),
      { numRuns: 50, endOnFailure: true },
    );
  });

  it('writeTerminationMessage: returns false when the message cannot be written', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pcf-last-words-'));
    const file = join(folder, 'words');
    assert.equal(writeTerminationMessage('said', { PCF_TERMINATION_LOG: file }), true);
    assert.equal(readFileSync(file, 'utf8'), 'said');
    assert.equal(writeTerminationMessage('said', { PCF_TERMINATION_LOG: folder }), false);
    assert.equal(writeTerminationMessage('said', {}), true);
    rmSync(folder, { recursive: true });
  });
});
