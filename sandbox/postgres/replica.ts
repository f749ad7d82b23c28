/** A streaming replica of a Postgres, by hand: the platform packages bring no pg_basebackup. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from 'pg';

const STAYS_BEHIND = ['postmaster.pid', 'postmaster.opts', 'pg_wal', 'pg_replslot', 'pg_stat_tmp'];

/**
 * Copies a running server's data the way pg_basebackup does (a backup is begun,
 * files are copied, it is ended, and its label says from where to replay) and makes
 * a standby of the copy.
 */
export async function copyAsStandby(
  client: Client,
  from: string,
  to: string,
  primary: { host: string; port: number; user: string; password: string },
): Promise<void> {
  await client.query("SELECT pg_backup_start('replica', true)");
  cpSync(from, to, {
    recursive: true,
    filter: (source) => !STAYS_BEHIND.some((name) => source === join(from, name)),
  });
  const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
  mkdirSync(join(to, 'pg_replslot'), { mode: 0o700 });
  cpSync(join(from, 'pg_wal'), join(to, 'pg_wal'), { recursive: true });
  rmSync(join(to, 'pg_wal', 'archive_status'), { recursive: true, force: true });
  writeFileSync(join(to, 'backup_label'), rows[0]?.labelfile ?? '', { mode: 0o600 });
  writeFileSync(join(to, 'standby.signal'), '', { mode: 0o600 });
  const quote = (text: string | number) =>
    `'${String(text).replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const info = Object.entries(primary)
    .map(([key, value]) => `${key}=${quote(value)}`)
    .join(' ');
  const line = `primary_conninfo = '${info.replaceAll("'", "''")}'\n`;
  writeFileSync(join(to, 'postgresql.auto.conf'), line, { mode: 0o600 });
}
