import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { CHECKOV_VERSION, type Exception, findingsIn, judge } from '../../../scripts/checkov/findings.js';

const failed = (check_id: string, resource: string) => ({
  ...{ check_id, resource, check_name: 'its name', file_path: '/main.tf' },
});

describe('findings of checkov', () => {
  const [bucket, vault] = findingsIn(
    JSON.stringify([
      { summary: { passed: 3, failed: 1 }, results: { failed_checks: [failed('CKV_1', 'module.a.bucket')] } },
      { summary: { passed: 4, failed: 1 }, results: { failed_checks: [failed('CKV_2', 'vault')] } },
    ]),
  ).findings;

  it('are read from one report, from several, and from the counts of an empty scan', () => {
    assert.deepEqual(bucket, {
      ...{ check: 'CKV_1', name: 'its name', file: 'main.tf', resource: 'module.a.bucket' },
    });
    const one = { summary: { passed: 3 }, results: { failed_checks: [failed('CKV_1', 'bucket')] } };
    assert.equal(findingsIn(JSON.stringify(one)).passed, 3);
    assert.deepEqual(findingsIn('{"passed": 0, "failed": 0}'), { findings: [], passed: 0, unreadable: [] });
  });

  it('are open unless an exception has their check and a part of their resource', () => {
    const open = (...exceptions: Exception[]) =>
      judge([bucket!, vault!], exceptions).open.map(({ check }) => check);
    assert.deepEqual(open(), ['CKV_1', 'CKV_2']);
    assert.deepEqual(open({ checks: ['CKV_1'], reason: 'none' }), ['CKV_2']);
    assert.deepEqual(open({ checks: ['CKV_1', 'CKV_2'], resource: 'bucket', reason: 'none' }), ['CKV_2']);
    assert.deepEqual(open({ checks: ['CKV_1', 'CKV_2'], reason: 'none' }), []);
  });

  it('leave an exception unused if they no longer have its check, or not for its resource', () => {
    const unused = (exception: Omit<Exception, 'reason'>) =>
      judge([bucket!, vault!], [{ ...exception, reason: 'none' }]).unused;
    assert.deepEqual(unused({ checks: ['CKV_1', 'CKV_9'] }), ['CKV_9']);
    assert.deepEqual(unused({ checks: ['CKV_1'], resource: 'vault' }), ['CKV_1 of vault']);
    assert.deepEqual(unused({ checks: ['CKV_1'], resource: 'bucket' }), []);
  });

  it('are those of the same version in CI, in the exceptions and in the documentation', () => {
    const files = [
      '.github/workflows/ci.yml',
      'scripts/checkov/exceptions.yaml',
      'docs/cloud.md',
      'CONTRIBUTING.md',
    ];
    for (const file of files) {
      const versions = [...readFileSync(file, 'utf8').matchAll(/checkov(?:==| )(\d+\.\d+\.\d+)/g)];
      assert.deepEqual([...new Set(versions.map(([, version]) => version))], [CHECKOV_VERSION], file);
    }
  });

  it('have exceptions with a reason each, and each check once per resource', () => {
    const { exceptions } = parse(readFileSync('scripts/checkov/exceptions.yaml', 'utf8')) as {
      exceptions: Exception[];
    };
    const keys = exceptions.flatMap(({ checks, resource }) => checks.map((check) => `${check} ${resource}`));
    assert.equal(new Set(keys).size, keys.length);
    for (const { checks, reason } of exceptions) assert.ok(reason.length > 20, `${checks}: ${reason}`);
  });
});
