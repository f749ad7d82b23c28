import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { within } from './process/within.js';

/** Longer than any `--timeout` of tests. */
const LIMIT_MS = 180_000;

/** Runs kubectl for one cluster. */
export class Kubectl {
  constructor(
    private readonly program: string,
    private readonly kubeconfig: string,
  ) {}

  /** Resolves with stdout. Throws with stderr if it fails. */
  async run(args: string[], input?: string): Promise<string> {
    const child = spawn(this.program, ['--kubeconfig', this.kubeconfig, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { GOGC: 'off', ...process.env }, // it ends before a garbage collection would pay off
    });
    const out: Buffer[] = [];
    const problems: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => problems.push(chunk));
    child.stdin.end(input ?? '');
    const closed = new Promise<number | null>((resolve, reject) =>
      child.once('error', reject).once('close', resolve),
    );
    const code = await within(`kubectl ${args.join(' ')}`, closed, LIMIT_MS).finally(() => child.kill());
    if (code !== 0)
      throw new Error(`kubectl ${args.join(' ')}: ${Buffer.concat(problems).toString('utf8').trim()}`);
    return Buffer.concat(out).toString('utf8');
  }

  /** `kubectl apply` of objects, or of YAML text. */
  async apply(what: string | readonly object[], ...flags: string[]): Promise<string> {
    const input =
      typeof what === 'string' ? what : what.map((object) => JSON.stringify(object)).join('\n---\n');
    return this.run(['apply', ...flags, '-f', '-'], input);
  }
}

/** Writes `kubectl` and its plugin `kubectl pcf` for one cluster to a folder for the PATH. */
export function writeCommands(folder: string, kubectl: string, kubeconfig: string): void {
  const commands = {
    kubectl: [kubectl],
    'kubectl-pcf': [process.execPath, resolve('dist/bundle/cli/bin.js')],
  };
  mkdirSync(folder, { recursive: true });
  for (const [name, words] of Object.entries(commands)) {
    const script = [
      '#!/bin/sh',
      `export KUBECONFIG="\${KUBECONFIG:-${kubeconfig}}"`,
      `exec ${words.map((word) => `'${word}'`).join(' ')} "$@"`,
    ];
    writeFileSync(join(folder, name), `${script.join('\n')}\n`, { mode: 0o755 });
  }
}
