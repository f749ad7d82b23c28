/** Settings of metrics, traces, logs and annotations. */
import { z } from 'zod';
import { port } from '../setting-types.js';

export const metrics = z.strictObject({ port: port.describe('Port of /metrics; 0 selects a free port.') });

export const tracing = z
  .strictObject({
    endpoint: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe(
        'OTLP/HTTP endpoint for traces, for example http://collector:4318/v1/traces. Without it, tracing is disabled.',
      ),
    sample_ratio: z
      .number()
      .min(0)
      .max(1)
      .describe(
        "Share of new traces that are sampled, from 0 to 1. A caller's sampling decision takes precedence.",
      ),
  })
  .describe('OpenTelemetry tracing.');

export const grafana = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('URL of Grafana. Without it, no annotations are written.'),
    token: z
      .string()
      .meta({ writeOnly: true })
      .optional()
      .describe('Token of a Grafana service account. Secret.'),
    token_file: z.string().optional().describe('File with the value of `token`; reloaded when it changes.'),
  })
  .describe('Deployment annotations in Grafana, which the worker writes.');

export const logging = z.strictObject({
  level: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .describe('Minimum log level.'),
});
