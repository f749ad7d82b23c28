import type { KnownOperation } from '../execution/known-documents.js';
import type { UsageClient } from './usage-client.js';
import { OTHER_CLIENTS } from './usage-counter.js';

const UNKNOWN: UsageClient = { name: OTHER_CLIENTS, application: '', version: '' };

/** Records an execution: its operation, the client, and the variables as they were sent. Must not block or throw. */
export type CountUsage = (
  operation: KnownOperation,
  client: UsageClient,
  values: Readonly<Record<string, unknown>> | null | undefined,
) => void;

/** The client of a context. Contexts of other schemas, as in tests, have none. */
export function usageClientIn(context: unknown): UsageClient {
  const { usageClient } = context as { usageClient?: UsageClient };
  return usageClient ?? UNKNOWN;
}
