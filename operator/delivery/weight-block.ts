/** Checks of the new revision that hold its weight at 0, each with what it waits for. */
import type { DeliveryContext } from './context.js';
import { incompatibleJobs } from './job-payloads.js';
import { schemaBlock, schemaMessage } from './schema-check.js';

export interface WeightBlock {
  /** Why the weight stays at 0. */
  message: string;
  /** The object of "waits for". */
  waitingFor: string;
}

const SCHEMA_APPROVAL =
  'approval of its schema, which clients use: kubectl pcf schema approve --reason "..."';
const READABLE_JOBS =
  'the release of an image whose jobs both revisions can process, or components.worker.canary to be disabled';

/** Undefined if no check holds the weight. */
export function weightBlock(context: DeliveryContext): WeightBlock | undefined {
  const schema = schemaBlock(context);
  if (schema) return { message: schemaMessage(schema), waitingFor: SCHEMA_APPROVAL };
  const jobs = incompatibleJobs(context);
  return jobs ? { message: jobs, waitingFor: READABLE_JOBS } : undefined;
}
