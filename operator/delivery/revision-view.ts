import type { Observation, RevisionView } from './observation.js';

export function view(seen: Observation, name: string): RevisionView {
  const absent: RevisionView = { name, replicas: 0, ready: 0, migration: 'Pending', nextStage: 'expand' };
  return seen.revisions.find((revision) => revision.name === name) ?? absent;
}

/** Whether the pods of a revision may start: the schema is ready for them. */
export function migrated(revision: RevisionView): boolean {
  return revision.migration === 'Succeeded' || revision.migration === 'Disabled';
}
