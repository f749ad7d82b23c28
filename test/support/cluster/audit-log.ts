/** The audit log of a kube-apiserver: every request that the API server received. */
import { closeSync, fstatSync, openSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface AuditEvent {
  auditID: string;
  verb: string;
  requestURI: string;
  user: { username: string };
  userAgent?: string;
  objectRef?: {
    resource?: string;
    namespace?: string;
    name?: string;
    apiGroup?: string;
    subresource?: string;
  };
  responseStatus?: { code?: number; message?: string };
  requestReceivedTimestamp: string;
}

const policyWith = (rules: readonly object[]) =>
  JSON.stringify({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', omitStages: ['RequestReceived'], rules });

export interface AuditOptions {
  /** Rules of the policy. Default: requests of the operator. */
  rules?: readonly object[];
  /** Flags of kube-apiserver for the log. By default, a request is logged before its response. */
  flags?: readonly string[];
}

const OPERATOR_ONLY = [{ level: 'Metadata', users: ['system:serviceaccount:pcf-system:pcf-operator'] }];

const WRITES = ['create', 'update', 'patch', 'delete', 'deletecollection'];

export class AuditLog {
  private readonly path: string;
  /** Parsed so far: tests that poll would otherwise parse megabytes on each poll. */
  private readonly events: AuditEvent[] = [];
  private readBytes = 0;
  /** Flags for kube-apiserver. */
  readonly apiServerArgs: string[];

  constructor(
    stateDir: string,
    { rules = OPERATOR_ONLY, flags = ['--audit-log-mode=blocking'] }: AuditOptions = {},
  ) {
    this.path = join(stateDir, 'audit.log');
    const policyPath = join(stateDir, 'audit-policy.yaml');
    writeFileSync(policyPath, policyWith(rules));
    writeFileSync(this.path, '');
    this.apiServerArgs = [`--audit-policy-file=${policyPath}`, `--audit-log-path=${this.path}`, ...flags];
  }

  /** Number of requests so far, for `since`. */
  mark(): number {
    this.readNewLines();
    return this.events.length;
  }

  /** The requests since a mark. A watch is logged when it starts. */
  since(mark = 0): AuditEvent[] {
    this.readNewLines();
    return this.events.slice(mark);
  }

  /** Reads from the end of the last complete line: the line of a current request may be half written. */
  private readNewLines(): void {
    const file = openSync(this.path, 'r');
    try {
      const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - this.readBytes));
      const read = bytes.subarray(0, readSync(file, bytes, 0, bytes.length, this.readBytes));
      const complete = read.subarray(0, read.lastIndexOf('\n') + 1);
      this.readBytes += complete.length;
      for (const line of complete.toString('utf8').split('\n'))
        if (line) this.events.push(JSON.parse(line) as AuditEvent);
    } finally {
      closeSync(file);
    }
  }

  /** The operator's writes since a mark, without renewals of the Lease. */
  writesSince(mark: number): AuditEvent[] {
    return this.since(mark).filter(
      ({ verb, objectRef }) => WRITES.includes(verb) && objectRef?.resource !== 'leases',
    );
  }
}

/** Format for messages: `patch deployments/api-1 201`. */
export function line({ verb, objectRef, responseStatus }: AuditEvent): string {
  const { resource = '?', subresource, name = '' } = objectRef ?? {};
  return `${verb} ${resource}${subresource ? `/${subresource}` : ''} ${name} ${responseStatus?.code ?? ''}`;
}
