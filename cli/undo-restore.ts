/** What an undo below the rollback floor restores first, within the window after contract. */
import type { PcfApi } from '../operator/api/v1alpha1/pcfapi.js';
import { isRestorable } from '../operator/delivery/contract-window.js';
import type { Revision } from '../operator/resources/revision.js';

export interface RestoreView {
  migrations: string[];
  summary: string;
  /** What is restored, and what can be lost. */
  details: string[];
}

/** Undefined if the undo needs no restore, or if none is possible. */
export function restoreFor(
  { status }: PcfApi,
  revisions: readonly Revision[],
  to: Revision,
): RestoreView | undefined {
  const position = status?.delivery ?? {};
  if (!isRestorable(revisions, position, to.name)) return undefined;
  const hidden = position.contracted?.hidden ?? [];
  const migrations = hidden.map(({ migration }) => migration);
  return {
    migrations,
    summary: `restores what ${migrations.join(', ')} dropped`,
    details: hidden.flatMap(({ migration, until, objects = [] }) => [
      `${migration}, until ${until}:`,
      ...objects.map((object) => `  ${object}`),
      '  lost: values of the new version that a restored column can not store are NULL; columns without `restore` have their default in new rows',
    ]),
  };
}
