/** Payload versions of background jobs, as an image reports them. */
import { z } from 'zod';

const version = (description: string) => z.int().min(0).max(100_000).meta({ description, format: 'int32' });

const payloadVersions = z.strictObject({
  writes: version('Version of the jobs that it queues.'),
  readsFrom: version('Oldest version that its workers can process.'),
  readsTo: version('Newest version that its workers can process.'),
});
export type PayloadVersions = z.infer<typeof payloadVersions>;

/** By queue. */
export const jobPayloads = z.record(z.string(), payloadVersions);
export type JobPayloads = z.infer<typeof jobPayloads>;
