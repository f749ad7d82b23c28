import { SecretReader } from '../../operator/runtime/outgoing/secrets.js';

/** Reads Secrets of any namespace from this record, which tests can change. */
export function secretsFrom(secrets: Record<string, Record<string, string>>): SecretReader {
  return new SecretReader({
    async list(_type, { fieldSelector = '' } = {}) {
      const name = fieldSelector.replace('metadata.name=', '');
      const values = secrets[name];
      const encoded = Object.entries(values ?? {}).map(([key, value]) => [
        key,
        Buffer.from(value).toString('base64'),
      ]);
      const secret = {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name },
        data: Object.fromEntries(encoded),
      };
      return { metadata: { resourceVersion: '1' }, items: values ? [secret] : [] };
    },
  });
}
