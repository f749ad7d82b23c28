/** TLS certificate, reloaded when its files change. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type Server } from 'node:tls';
import { Gauge, type Registry } from 'prom-client';
import { ConfigError } from '../config/config-error.js';
import type { Settings } from '../config/schema.js';
import { WatchedFile } from '../config/watched-file.js';
import type { Logger } from '../observability/logging/logger.js';

export interface Certificate {
  cert: string;
  key: string;
}

/** Undefined without TLS. Throws a ConfigError when the files are not a valid certificate with its key. */
export function readCertificate({ tls }: Settings['server']): Certificate | undefined {
  const { cert_file: certFile, key_file: keyFile } = tls;
  if (!certFile || !keyFile) return undefined;
  try {
    return checked(certFile, keyFile);
  } catch (error) {
    throw new ConfigError([{ path: 'server.tls', problem: `cannot be used: ${(error as Error).message}` }]);
  }
}

function checked(certFile: string, keyFile: string): Certificate {
  const certificate = { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  createSecureContext(certificate); // throws when the key does not match the certificate
  return certificate;
}

/**
 * Open connections keep their certificate; new ones get the newest valid one. The two files change
 * one after the other, so a temporary mismatch is not an error.
 */
export function followCertificate(
  server: Server,
  { tls }: Settings['server'],
  registry: Registry,
  log: Logger,
): { close(): void } {
  const { cert_file: certFile = '', key_file: keyFile = '' } = tls;
  let expires = expiryOf(readFileSync(certFile, 'utf8'));
  addExpiryGauge(registry, () => expires);
  const files = [certFile, keyFile].map((file) => new WatchedFile({ file, log }));
  const use = () => {
    try {
      const certificate = checked(certFile, keyFile);
      server.setSecureContext({ ...certificate, minVersion: 'TLSv1.2' });
      expires = expiryOf(certificate.cert);
      log.info({ expires: expires.toISOString() }, 'TLS certificate reloaded');
    } catch (error) {
      log.warn(
        { reason: (error as Error).message },
        'new TLS certificate is invalid, keeping the previous one',
      );
    }
  };
  let first = true;
  void Promise.all(files.map((file) => file.refresh())).then(() => {
    first = false;
  });
  for (const file of files) file.onChange(() => first || use());
  return { close: () => files.forEach((file) => void file.close()) };
}

function expiryOf(cert: string): Date {
  return new Date(new X509Certificate(cert).validTo);
}

function addExpiryGauge(registry: Registry, expires: () => Date): void {
  new Gauge({
    name: 'pcf_api_tls_certificate_expiry_timestamp_seconds',
    help: 'Expiry time of the TLS certificate in use, in seconds since the epoch.',
    registers: [registry],
    aggregator: 'min',
    collect() {
      this.set(expires().getTime() / 1_000);
    },
  });
}
