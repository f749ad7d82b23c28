/**
 * Who may look at the operator's own dashboard: whoever the API server knows by the token they send
 * (TokenReview), and who may list what the page shows (SubjectAccessReview). The operator lends its
 * own rights to nobody.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { LRUCache } from 'lru-cache';
import { PcfApiKind, PodKind } from '../resources/kinds.js';
import type { KubeClient } from '../runtime/kube-client.js';
import type { KubeObject, ResourceType } from '../runtime/kube-types.js';
import { Refusal } from './server.js';

/** How long an answer is good for: a right that is taken away is gone after that. */
const TTL_MS = 30_000;
const MAX_KNOWN = 1_000;
const SHOWN = [PcfApiKind, PodKind];

const review = (group: string, kind: string, plural: string): ResourceType => ({
  ...{ group, kind, plural, version: 'v1', namespaced: false },
});
const TokenReviewKind = review('authentication.k8s.io', 'TokenReview', 'tokenreviews');
const AccessReviewKind = review('authorization.k8s.io', 'SubjectAccessReview', 'subjectaccessreviews');

interface User {
  username: string;
  uid?: string;
  groups?: string[];
  extra?: Record<string, string[]>;
}

/** `namespaces` are those that the page shows; empty: all. */
export function tokenReviewGate(
  client: KubeClient,
  namespaces: readonly string[],
): (request: IncomingMessage) => Promise<void> {
  const known = new LRUCache<string, Promise<Refusal | undefined>>({ max: MAX_KNOWN, ttl: TTL_MS });
  return async ({ headers }) => {
    const [, token] = /^Bearer (\S+)$/i.exec(headers.authorization ?? '') ?? [];
    if (!token) throw new Refusal(401, 'send a Kubernetes token, such as: kubectl create token NAME');
    const key = createHash('sha256').update(token).digest('base64url');
    let answer = known.get(key);
    if (!answer) {
      answer = ask(client, token, namespaces);
      known.set(key, answer);
      // An API server that is away has said nothing.
      answer.catch(() => known.delete(key));
    }
    const refusal = await answer;
    if (refusal) throw refusal;
  };
}

async function ask(
  client: KubeClient,
  token: string,
  namespaces: readonly string[],
): Promise<Refusal | undefined> {
  const { user, authenticated } = await answerOf<{ user: User; authenticated?: boolean }>(
    client,
    TokenReviewKind,
    { token },
  );
  if (!authenticated) return new Refusal(401, 'the API server does not know this token, or no longer');
  const scopes = namespaces.length > 0 ? namespaces : [undefined];
  const checks = scopes.flatMap((namespace) => SHOWN.map((type) => mayList(client, user, type, namespace)));
  const refused = (await Promise.all(checks)).find((problem) => problem !== undefined);
  return refused === undefined ? undefined : new Refusal(403, refused);
}

/** What is in the way, or undefined. */
async function mayList(
  client: KubeClient,
  { username, uid, groups, extra }: User,
  { group, plural }: ResourceType,
  namespace: string | undefined,
): Promise<string | undefined> {
  const resourceAttributes = { verb: 'list', group, resource: plural, namespace };
  const spec = { user: username, uid, groups, extra, resourceAttributes };
  const { allowed } = await answerOf<{ allowed: boolean }>(client, AccessReviewKind, spec);
  if (allowed) return undefined;
  const where = namespace ? `in namespace ${namespace}` : 'in all namespaces';
  return `${username} may not list ${plural} ${where}; what you may see is in: kubectl pcf dashboard -n NAMESPACE`;
}

async function answerOf<T>(client: KubeClient, type: ResourceType, spec: object): Promise<T> {
  const apiVersion = `${type.group}/${type.version}`;
  const asked = { apiVersion, kind: type.kind, metadata: {}, spec } as unknown as KubeObject;
  return ((await client.create(type, asked)) as unknown as { status: T }).status;
}
