/** State of the window after a contract, read from its Jobs. Pure. */
import type { MigrationReport } from '../../contract/image.js';
import type { JobState, WindowView } from '../delivery/observation.js';
import type { JobView } from './job-view.js';
import { migrationJobName } from './migration-job.js';

/** `contract` is the last contract Job of the revision, with the number `attempt`. The Jobs of its window have the same. */
export function windowView(
  revision: string,
  contract: JobView,
  attempt: number,
  read: (name: string) => JobView,
): { window?: WindowView; job?: JobView; stage?: 'restore' | 'purge' } {
  const restore = read(migrationJobName(revision, 'restore', attempt));
  const purge = read(migrationJobName(revision, 'purge', attempt));
  const hidden = hiddenOf(contract.report);
  const isPresent = restore.state !== 'Absent' || purge.state !== 'Absent';
  if (!isPresent && hidden.length === 0) return {};
  const window = { attempt, hidden, restore: stateOf(restore), purge: stateOf(purge) };
  if (!isPresent) return { window };
  return restore.state === 'Absent'
    ? { window, job: purge, stage: 'purge' }
    : { window, job: restore, stage: 'restore' };
}

function stateOf({ state }: JobView): JobState {
  return state === 'Lost' ? 'Succeeded' : state;
}

/** Only the fields of the status: an image may report more. */
function hiddenOf(report: MigrationReport | undefined): WindowView['hidden'] {
  return (report?.hidden ?? []).map(({ migration, until, objects }) => ({
    ...{ migration, until },
    ...(objects ? { objects } : {}),
  }));
}
