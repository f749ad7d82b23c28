/** Settings of the jobs: queues, webhooks and retention. */
import { z } from 'zod';
import { duration } from '../setting-types.js';

export const worker = z
  .strictObject({
    concurrency: z.int().min(1).max(1_000).describe('Concurrent jobs per queue and worker.'),
    attempts: z
      .int()
      .min(1)
      .max(100)
      .describe('Maximum number of attempts of a job. It then becomes a dead letter.'),
    retry_initial: duration.describe('Initial delay before a job is retried; it doubles with each attempt.'),
    job_timeout: duration.describe('Timeout of a job.'),
    keep_dead_letters: duration.describe(
      'Retention of dead letters. They can be listed and retried during this time.',
    ),
  })
  .describe('`worker` role.');

export const webhooks = z
  .strictObject({
    timeout: duration.describe('Timeout for the response of the endpoint.'),
    attempts: z
      .int()
      .min(1)
      .max(100)
      .describe('Maximum number of attempts of a message. It then becomes a dead letter.'),
    retry_initial: duration.describe(
      'Initial delay before a message is retried; it doubles with each attempt.',
    ),
    retry_max: duration.describe('Maximum delay before a message is retried.'),
    allow_private: z.boolean().describe('Allow plain HTTP and private IP addresses. Only for development.'),
  })
  .describe('Webhooks, which the worker sends.');

export const retention = z
  .strictObject({
    every: duration.describe('Interval of the retention jobs.'),
    deployments: duration.describe(
      'Retention of finished deployments. Older ones are rolled up per day for the delivery metrics and deleted. 0ms keeps them permanently.',
    ),
    audit: duration.describe('Retention of the audit log. 0ms keeps it permanently.'),
    events: duration.describe(
      'Retention of events and webhook messages. Subscriptions can resume within this time. 0ms keeps them permanently.',
    ),
    schema_usage: duration.describe('Retention of the recorded use of the schema. 0ms keeps it permanently.'),
  })
  .refine(({ every }) => every >= 1_000, { error: 'expected an interval of at least 1s', path: ['every'] })
  .describe('Retention of data.');
