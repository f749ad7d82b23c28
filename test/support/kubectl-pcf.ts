import { spawn } from 'node:child_process';
import { delimiter } from 'node:path';
import type { Sandbox } from '../../sandbox/sandbox.js';

export interface Result {
  code: number | null;
  out: string;
  problems: string;
}

/** Runs `kubectl pcf` the way people do: as a plugin that kubectl finds on the PATH. */
export async function kubectlPcf({ commandsDir }: Sandbox, args: string[], input = ''): Promise<Result> {
  const env = { ...process.env, NO_COLOR: '1', PATH: commandsDir + delimiter + process.env.PATH };
  const child = spawn('kubectl', ['pcf', ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const result: Result = { code: null, out: '', problems: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (result.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (result.problems += text));
  child.stdin.end(input);
  result.code = await new Promise((resolve) => child.once('close', resolve));
  return result;
}
