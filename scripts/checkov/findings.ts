/** Findings of checkov, and the exceptions with their reasons. */

/** Version of the checks. CI installs the same. */
export const CHECKOV_VERSION = '3.3.30';

export interface Finding {
  check: string;
  name: string;
  /** Path relative to the repository. */
  file: string;
  resource: string;
}

export interface Scan {
  findings: Finding[];
  /** Number of passed checks. */
  passed: number;
  /** Files that checkov cannot parse. */
  unreadable: string[];
}

export interface Exception {
  /** Ids of checks. */
  checks: string[];
  /** The exception applies to resources that contain this text, or to all resources with such a finding. */
  resource?: string;
  reason: string;
}

interface Report {
  results?: {
    failed_checks: { check_id: string; check_name: string; file_path: string; resource: string }[];
    parsing_errors?: string[];
  };
  summary?: { passed: number; failed: number };
}

/** Output of `checkov --output json`: one report, a list of them, or only counts if nothing was scanned. */
export function findingsIn(json: string): Scan {
  const parsed = JSON.parse(json) as Report | Report[];
  const reports = Array.isArray(parsed) ? parsed : [parsed];
  return {
    findings: reports
      .flatMap(({ results }) => results?.failed_checks ?? [])
      .map(({ check_id: check, check_name: name, file_path: file, resource }) => ({
        ...{ check, name, resource },
        file: file.replace(/^\/+/, ''),
      })),
    passed: reports.reduce((sum, { summary }) => sum + (summary?.passed ?? 0), 0),
    unreadable: reports.flatMap(({ results }) => results?.parsing_errors ?? []),
  };
}

/** Splits findings by the exceptions. An exception without a finding is out of date. */
export function judge(
  findings: readonly Finding[],
  exceptions: readonly Exception[],
): { open: Finding[]; unused: string[] } {
  const used = new Set<string>();
  const open = findings.filter((finding) => {
    const applicable = exceptions.filter((exception) => applies(exception, finding));
    for (const exception of applicable) used.add(keyOf(finding.check, exception));
    return applicable.length === 0;
  });
  const all = exceptions.flatMap((exception) => exception.checks.map((check) => keyOf(check, exception)));
  return { open, unused: all.filter((key) => !used.has(key)) };
}

function applies({ checks, resource = '' }: Exception, finding: Finding): boolean {
  return checks.includes(finding.check) && finding.resource.includes(resource);
}

function keyOf(check: string, { resource }: Exception): string {
  return resource === undefined ? check : `${check} of ${resource}`;
}
