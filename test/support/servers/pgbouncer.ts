/** A real PgBouncer in front of a PostgreSQL server. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { systemProgram } from '../processes/system-program.js';
import { freePort } from './postgres.js';

export class PgBouncer {
  private constructor(
    /** URL of the database through the pooler. */
    readonly url: string,
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {}

  /** Returns undefined without pgbouncer. `settings` are additional lines of its section. */
  static async start(
    url: string,
    mode: 'session' | 'transaction',
    settings = '',
  ): Promise<PgBouncer | undefined> {
    const program = systemProgram('pgbouncer');
    if (!program) {
      console.warn('skipped: pgbouncer is not on PATH and could not be installed');
      return undefined;
    }
    const port = await freePort();
    const { hostname, port: serverPort, username, password, pathname } = new URL(url);
    const folder = mkdtempSync(join(tmpdir(), 'pcf-pgbouncer-'));
    const quote = (text: string) => `'${decodeURIComponent(text).replaceAll("'", "''")}'`;
    const ini = `[databases]
* = host=${hostname} port=${serverPort} user=${quote(username)} password=${quote(password)}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${mode}
ignore_startup_parameters = extra_float_digits,statement_timeout,idle_in_transaction_session_timeout
${settings}
`;
    // PgBouncer does not run as root, so `nobody` must be able to read the folder.
    const isRoot = process.getuid?.() === 0;
    const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
    writeFileSync(join(folder, 'pgbouncer.ini'), ini, { mode: isRoot ? 0o644 : 0o600 });
    if (isRoot) chmodSync(folder, 0o755);
    const runAs = isRoot ? { uid: id('-u'), gid: id('-g') } : {};
    const child = spawn(program, [join(folder, 'pgbouncer.ini')], { ...runAs, cwd: folder, stdio: 'ignore' });
    const through = `postgresql://${username}@127.0.0.1:${port}${pathname}`;
    const bouncer = new PgBouncer(through, child, folder);
    await bouncer.untilReady();
    return bouncer;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = once(this.child, 'exit');
      this.child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async untilReady(): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      const client = new pg.Client({ connectionString: this.url });
      try {
        await client.connect();
        await client.end();
        return;
      } catch (error) {
        if (tries < 100 && this.child.exitCode === null) {
          await sleep(50);
          continue;
        }
        await this.stop();
        throw new Error(`pgbouncer did not start: ${error}`);
      }
    }
  }
}
