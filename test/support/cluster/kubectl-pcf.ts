import { type ChildProcess, spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import type { Sandbox } from '../../../sandbox/sandbox.js';

export interface Result {
  code: number | null;
  out: string;
  problems: string;
}

interface Spawned {
  child: ChildProcess;
  /** The output until now. */
  result: Result;
  ended: Promise<Result>;
}

/** Starts the plugin without kubectl, so that it receives signals. In a terminal, Ctrl-C reaches both. */
export function spawnPcf({ commandsDir }: Sandbox, args: string[]): Spawned {
  return spawned(join(commandsDir, 'kubectl-pcf'), args, { ...process.env, NO_COLOR: '1' });
}

/** Runs `kubectl pcf` as a plugin that kubectl finds on PATH. */
export async function kubectlPcf({ commandsDir }: Sandbox, args: string[], input = ''): Promise<Result> {
  const env = { ...process.env, NO_COLOR: '1', PATH: commandsDir + delimiter + process.env.PATH };
  return spawned('kubectl', ['pcf', ...args], env, input).ended;
}

function spawned(command: string, args: string[], env: NodeJS.ProcessEnv, input = ''): Spawned {
  const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const result: Result = { code: null, out: '', problems: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (result.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (result.problems += text));
  child.stdin.end(input);
  const ended = new Promise<Result>((resolve) => {
    child.once('close', (code) => {
      result.code = code;
      resolve(result);
    });
  });
  return { child, result, ended };
}
