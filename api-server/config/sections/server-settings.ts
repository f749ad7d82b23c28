/** Settings of the HTTP server. */
import { z } from 'zod';
import { duration, port } from '../setting-types.js';

export const server = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .describe(
        'Listen address of the API and of the metrics. 127.0.0.1 in development, except in the image.',
      ),
    port: port.describe('Port of GraphQL and the health checks; 0 selects a free port.'),
    allowed_hosts: z
      .array(
        z.string().regex(/^[a-z0-9][a-z0-9.-]*$/, {
          error: 'expected a host name such as pcf.test, in lower case and without a port',
        }),
      )
      .describe(
        'Host names that the Host header may contain while `auth.open` is true, besides localhost and IP addresses; comma-separated in a variable. Other names are rejected with 421, because a web page can make them resolve to this host (DNS rebinding). Pods of the operator accept all names.',
      ),
    body_limit: z.int().min(1_024).max(67_108_864).describe('Maximum size of a request body, in bytes.'),
    trusted_proxies: z
      .string()
      .regex(/^(\d{1,2}|(([\da-fA-F.:]+(\/\d+)?|loopback|linklocal|uniquelocal)(, *|$))+)$/, {
        error: 'expected a number, or addresses such as 10.0.0.0/8',
      })
      .optional()
      .describe(
        'Proxies whose X-Forwarded-For is trusted: the number of proxies with private addresses in front of the API, such as "1", or a comma-separated list of addresses and networks, such as 10.0.0.0/8. Without it, the client address is the peer address of the connection.',
      ),
    workers: z
      .int()
      .min(0)
      .max(256)
      .describe(
        'Number of processes that serve requests; 0 starts one per core of the CPU limit. Fewer run when `database.max_connections` allows less than 2 connections for each.',
      ),
    http2: z.boolean().describe('Enable HTTP/2 in addition to HTTP/1.1. Requires TLS.'),
    max_connections: z
      .int()
      .min(1)
      .max(1_000_000)
      .describe('Maximum number of open client connections per process. Further connections are closed.'),
    max_in_flight: z
      .int()
      .min(1)
      .max(1_000_000)
      .describe(
        'Maximum number of concurrent requests per process. Further requests get 503 with Retry-After.',
      ),
    max_event_loop_delay: duration.describe(
      'Maximum event loop delay. While it is exceeded, new requests get 503. 0ms disables the limit.',
    ),
    headers_timeout: duration.describe('Timeout for receiving the headers of a request.'),
    receive_timeout: duration.describe('Timeout for receiving a complete request.'),
    keep_alive_timeout: duration.describe(
      'Idle timeout of keep-alive connections. It must be longer than the idle timeout of the load balancer.',
    ),
    stall_timeout: duration.describe('Idle timeout of a connection during a request.'),
    cors_origins: z
      .array(
        z
          .string()
          .regex(/^https?:\/\/[^/*\s]+$/, { error: 'expected an origin such as https://app.example.com' }),
      )
      .describe('Origins that CORS allows; comma-separated in a variable.'),
    tls: z
      .strictObject({
        cert_file: z
          .string()
          .optional()
          .describe('File with the certificate chain in PEM format; reloaded when it changes.'),
        key_file: z
          .string()
          .optional()
          .describe('File with the private key in PEM format; reloaded when it changes.'),
      })
      .refine(({ cert_file, key_file }) => (cert_file === undefined) === (key_file === undefined), {
        error: 'expected both cert_file and key_file, or neither',
      })
      .describe('TLS. Without certificate files, the API serves plain HTTP.'),
  })
  .describe('HTTP server.');

export const rateLimit = z
  .strictObject({
    requests: z
      .int()
      .min(0)
      .max(10_000_000)
      .describe('Requests per identity and window. Further requests get 429. 0 disables the limit.'),
    window: duration.describe('Length of the window, in whole seconds.'),
    failures: z
      .int()
      .min(0)
      .max(1_000_000)
      .describe(
        'Requests with invalid credentials per IP address and window. Further such requests get 429. 0 disables the limit.',
      ),
  })
  .refine(({ window }) => window >= 1_000, { error: 'expected a window of at least 1s', path: ['window'] })
  .describe('Rate limits. They are counted in Redis for all processes; without Redis, per process.');

export const shutdown = z
  .strictObject({
    delay: duration.describe(
      'Time for which requests are still served after the readiness probe fails, so that load balancers can remove the pod.',
    ),
    timeout: duration.describe('Timeout for requests in progress to finish after the delay.'),
  })
  .describe('Graceful shutdown on SIGTERM.');
