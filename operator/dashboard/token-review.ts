/**
 * Authentication and authorization for the dashboard of the operator: the API server must accept the
 * token of the caller (TokenReview), and the caller must be allowed to list the displayed resources
 * (SubjectAccessReview). The permissions of the operator are not used for the caller.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { LRUCache } from 'lru-cache';
import { PcfApiKind, PodKind } from '../resources/kinds.js';
import type { KubeClient } from '../runtime/kube-client.js';
import type { KubeObject, ResourceType } from '../runtime/kube-types.js';
import { Refusal } from '../runtime/refusal.js';

/** TTL of the results. A revoked permission can be used this long. */
const TTL_MS = 30_000;
const MAX_REVIEWS = 1_000;
const SHOWN = [PcfApiKind, PodKind];

const reviewKind = (group: string, kind: string, plural: string): ResourceType => ({
  ...{ group, kind, plural, version: 'v1', namespaced: false },
});
const TokenReviewKind = reviewKind('authentication.k8s.io', 'TokenReview', 'tokenreviews');
const AccessReviewKind = reviewKind('authorization.k8s.io', 'SubjectAccessReview', 'subjectaccessreviews');

interface User {
  username: string;
  uid?: string;
  groups?: string[];
  extra?: Record<string, string[]>;
}

/** `namespaces`: displayed namespaces; empty: all. */
export function tokenReviewGate(
  client: KubeClient,
  namespaces: readonly string[],
): (request: IncomingMessage) => Promise<void> {
  const reviews = new LRUCache<string, Promise<Refusal | undefined>>({ max: MAX_REVIEWS, ttl: TTL_MS });
  return async ({ headers }) => {
    const [, token] = /^Bearer (\S+)$/i.exec(headers.authorization ?? '') ?? [];
    if (!token) throw new Refusal(401, 'send a Kubernetes token, such as: kubectl create token NAME');
    const key = createHash('sha256').update(token).digest('base64url');
    let answer = reviews.get(key);
    if (!answer) {
      answer = review(client, token, namespaces);
      reviews.set(key, answer);
      // Errors are not cached.
      answer.catch(() => reviews.delete(key));
    }
    const refusal = await answer;
    if (refusal) throw refusal;
  };
}

async function review(
  client: KubeClient,
  token: string,
  namespaces: readonly string[],
): Promise<Refusal | undefined> {
  const { user, authenticated } = await answerOf<{ user: User; authenticated?: boolean }>(
    client,
    TokenReviewKind,
    { token },
  );
  if (!authenticated)
    return new Refusal(401, 'the API server does not accept this token: it is invalid or expired');
  const scopes = namespaces.length > 0 ? namespaces : [undefined];
  const checks = scopes.flatMap((namespace) => SHOWN.map((type) => mayList(client, user, type, namespace)));
  const refused = (await Promise.all(checks)).find((problem) => problem !== undefined);
  return refused === undefined ? undefined : new Refusal(403, refused);
}

/** The missing permission, or undefined. */
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
  return `${username} may not list ${plural} ${where}; for a single namespace use: kubectl pcf dashboard -n NAMESPACE`;
}

async function answerOf<T>(client: KubeClient, type: ResourceType, spec: object): Promise<T> {
  const apiVersion = `${type.group}/${type.version}`;
  const request = { apiVersion, kind: type.kind, metadata: {}, spec } as unknown as KubeObject;
  return ((await client.create(type, request)) as unknown as { status: T }).status;
}
