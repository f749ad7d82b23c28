import { KubeApiError } from '../../operator/runtime/kube-client.js';
import { SecretReader } from '../../operator/runtime/outgoing/secrets.js';

/** Reads Secrets of any namespace from this record, which may be changed. */
export function secretsFrom(secrets: Record<string, Record<string, string>>): SecretReader {
  return new SecretReader({
    async get(_type, _namespace, name) {
      const values = secrets[name];
      if (!values) throw new KubeApiError(404, 'NotFound', `secrets "${name}" not found`);
      const data = Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
      return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, data: Object.fromEntries(data) };
    },
  });
}
