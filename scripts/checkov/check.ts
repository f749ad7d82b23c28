/**
 * `npm run lint:infrastructure`: runs checkov on Terraform, manifests, Dockerfiles and workflows. Each finding is fixed,
 * or has an exception with its reason in exceptions.yaml: the open-source checkov reports no severities.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { CHECKOV_VERSION, type Exception, findingsIn, judge, type Scan } from './findings.js';

const EXCEPTIONS = 'scripts/checkov/exceptions.yaml';

/** What is scanned, each with a framework of checkov. test/golden has the objects that the operator writes. */
const SCANS: readonly { folder: string; framework: string; skip?: readonly string[] }[] = [
  { folder: 'deploy/terraform', framework: 'terraform' },
  { folder: 'deploy/k8s', framework: 'kubernetes' },
  { folder: 'test/golden', framework: 'kubernetes' },
  { folder: '.', framework: 'dockerfile', skip: ['node_modules', 'dist', '.sandbox'] },
  { folder: '.', framework: 'github_actions', skip: ['node_modules', 'dist', '.sandbox'] },
];

async function checkov(args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)('checkov', args, {
      // Without it checkov writes the progress of its parsers to the output.
      env: { ...process.env, LOG_LEVEL: 'ERROR' },
      maxBuffer: 256 << 20,
    });
    return stdout;
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
    throw new Error(`checkov is not installed: pipx install checkov==${CHECKOV_VERSION}`);
  }
}

/** Runs all scans. Throws if one of them has found no file, because then it checks nothing. */
async function scanAll(): Promise<Scan[]> {
  return Promise.all(
    SCANS.map(async ({ folder, framework, skip = [] }) => {
      const output = await checkov([
        ...['--directory', folder, '--framework', framework, '--output', 'json', '--soft-fail'],
        ...['--quiet', '--compact', '--skip-download', '--download-external-modules', 'false'],
        ...skip.flatMap((path) => ['--skip-path', path]),
      ]);
      const scan = findingsIn(output);
      if (scan.passed === 0) throw new Error(`checkov found no file of ${framework} in ${folder}`);
      return scan;
    }),
  );
}

async function main(): Promise<number> {
  const version = (await checkov(['--version'])).trim();
  if (version !== CHECKOV_VERSION)
    console.error(`checkov ${version} is installed; the exceptions were written for ${CHECKOV_VERSION}`);
  const scans = await scanAll();
  const { exceptions } = parse(readFileSync(EXCEPTIONS, 'utf8')) as { exceptions: Exception[] };
  const findings = scans.flatMap((scan) => scan.findings);
  const { open, unused } = judge(findings, exceptions);
  const unreadable = scans.flatMap((scan) => scan.unreadable);
  for (const { check, name, file, resource } of open)
    console.error(`${check} ${file} ${resource}: ${name}. Fix it, or add an exception to ${EXCEPTIONS}`);
  for (const key of unused) console.error(`${EXCEPTIONS}: no finding of ${key}. Remove the exception`);
  for (const file of unreadable) console.error(`checkov cannot read ${file}`);
  const passed = scans.reduce((sum, scan) => sum + scan.passed, 0);
  const excepted = findings.length - open.length;
  console.log(`checkov ${version}: ${passed} passed, ${excepted} with an exception, ${open.length} open`);
  return open.length + unused.length + unreadable.length > 0 ? 1 : 0;
}

process.exit(await main());
