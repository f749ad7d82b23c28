/** Text about running migrations. */
import type { MigrationStatus } from '../operator/api/v1alpha1/status/migration.js';
import { age, bar, span } from './output.js';

/** `████░░ 42 % of 1000000 rows, 6625 rows/s, 90s left`. */
export function backfillText(progress: NonNullable<MigrationStatus['progress']>): string {
  const { rows, total, rowsPerSecond, secondsLeft, cancelled } = progress;
  const percent = total > 0 ? Math.min(100, Math.floor((100 * rows) / total)) : 100;
  const left = secondsLeft === undefined ? '' : `, ${span(secondsLeft)} left`;
  const pace = cancelled ? 'cancelled; continue it with `migrate resume`' : `${rowsPerSecond} rows/s${left}`;
  return `${bar(percent)} ${percent} % of about ${total} rows, ${pace}`;
}

/** The session that blocks the migrations. */
export function holderText(holder: NonNullable<MigrationStatus['lockHolder']>, now = Date.now()): string {
  const { lock, pid, application, user, since } = holder;
  const who = [application, user].filter(Boolean).join(', ');
  const what = lock === 'run' ? 'another run of migrations' : 'a session with a table lock';
  return `${what}: pid ${pid}${who ? ` (${who})` : ''}${since ? `, for ${age(since, now)}` : ''}`;
}
