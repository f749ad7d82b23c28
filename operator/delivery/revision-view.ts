/** Lookup of observed revisions. */
import type { RevisionView } from './observation.js';

/** The view of a revision. One that was not observed has no pods and no migration Jobs. */
export function viewOf(revisions: readonly RevisionView[], name: string): RevisionView {
  const absent: RevisionView = { name, replicas: 0, ready: 0, migration: 'Pending', nextStage: 'expand' };
  return revisions.find((revision) => revision.name === name) ?? absent;
}

/** Whether the schema is ready for the pods of a revision. */
export function isMigrated({ migration }: Pick<RevisionView, 'migration'>): boolean {
  return migration === 'Succeeded' || migration === 'Disabled';
}
