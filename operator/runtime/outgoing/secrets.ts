/** Credentials and certificates from Secrets, read for each request and never cached. */
import { isForbidden, type KubeClient } from '../kube-client.js';
import type { KubeObject, ResourceType } from '../kube-types.js';
import type { TlsMaterial } from './http.js';

export interface SecretKeyRef {
  name: string;
  key: string;
}

export interface CredentialRefs {
  bearerSecretRef?: SecretKeyRef;
  basicSecretRef?: { name: string; usernameKey: string; passwordKey: string };
}

export interface TlsRefs {
  caSecretRef?: SecretKeyRef;
  /** A Secret of type kubernetes.io/tls. */
  clientSecretName?: string;
  insecureSkipVerify?: boolean;
}

const SecretKind: ResourceType = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
};

export class SecretReader {
  constructor(private readonly client: Pick<KubeClient, 'list'>) {}

  /** Value of a key without a trailing newline. Throws if it is missing. */
  async value(namespace: string, { name, key }: SecretKeyRef, signal?: AbortSignal): Promise<string> {
    const { data = {} } = await this.read(namespace, name, signal);
    const encoded = data[key];
    if (encoded === undefined) throw new Error(`Secret ${namespace}/${name} has no key "${key}"`);
    return Buffer.from(encoded, 'base64').toString('utf8').trimEnd();
  }

  /** Value of the Authorization header, if credentials are configured. */
  async authorization(
    namespace: string,
    { bearerSecretRef, basicSecretRef }: CredentialRefs = {},
    signal?: AbortSignal,
  ): Promise<Record<string, string>> {
    if (bearerSecretRef) {
      const token = await this.value(namespace, bearerSecretRef, signal);
      return { authorization: headerValue(`Bearer ${token}`, namespace, bearerSecretRef.name) };
    }
    if (!basicSecretRef) return {};
    const { name, usernameKey, passwordKey } = basicSecretRef;
    const [user, password] = await Promise.all([
      this.value(namespace, { name, key: usernameKey }, signal),
      this.value(namespace, { name, key: passwordKey }, signal),
    ]);
    return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
  }

  async tls(namespace: string, refs: TlsRefs = {}, signal?: AbortSignal): Promise<TlsMaterial> {
    const { caSecretRef, clientSecretName: name, insecureSkipVerify } = refs;
    const read = (ref: SecretKeyRef | undefined) => ref && this.value(namespace, ref, signal);
    const [ca, cert, key] = await Promise.all([
      read(caSecretRef),
      read(name ? { name, key: 'tls.crt' } : undefined),
      read(name ? { name, key: 'tls.key' } : undefined),
    ]);
    return { ca, cert, key, insecureSkipVerify };
  }

  /** Uses a list: the operator has the permission to list Secrets for its cache, but not to get them. */
  private async read(namespace: string, name: string, signal?: AbortSignal) {
    const found = await this.list(namespace, name, signal);
    const secret = found.find(({ metadata }) => metadata.name === name);
    if (!secret) throw new Error(`Secret ${namespace}/${name} does not exist`);
    return secret as KubeObject & { data?: Record<string, string> };
  }

  private async list(namespace: string, name: string, signal?: AbortSignal): Promise<KubeObject[]> {
    try {
      const options = { namespace, fieldSelector: `metadata.name=${name}` };
      return (await this.client.list(SecretKind, options, signal)).items;
    } catch (error) {
      signal?.throwIfAborted();
      if (isForbidden(error)) throw new Error(`the operator may not read Secret ${namespace}/${name}`);
      throw new Error(`Secret ${namespace}/${name} could not be read: no response from the API server`);
    }
  }
}

/** The error of Node.js would contain the invalid header value. */
function headerValue(value: string, namespace: string, name: string): string {
  if (/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return value;
  throw new Error(
    `the token in Secret ${namespace}/${name} contains characters that are not allowed in a header`,
  );
}
