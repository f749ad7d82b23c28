/** A streaming replica without pg_basebackup, which the platform packages do not contain. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from 'pg';

const STAYS_BEHIND = ['postmaster.pid', 'postmaster.opts', 'pg_wal', 'pg_replslot', 'pg_stat_tmp'];

/**
 * Copies the data of a running server like pg_basebackup (start a backup, copy the files, stop it, and write
 * its label with the start of WAL replay), and configures the copy as a standby.
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
