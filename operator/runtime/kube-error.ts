/** What the API server answers when it refuses. */
import type { Dispatcher } from 'undici';

/** An answer of the API server other than success: `reason` and `message` are those of its Status object. */
export class KubeApiError extends Error {
  override readonly name = 'KubeApiError';
  constructor(
    /** HTTP status, or the code of a watch's ERROR event. */
    readonly status: number,
    readonly reason: string,
    message: string,
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

const hasStatus =
  (status: number) =>
  (error: unknown): error is KubeApiError =>
    error instanceof KubeApiError && error.status === status;
export const isUnauthorized = hasStatus(401);
export const isForbidden = hasStatus(403);
export const isNotFound = hasStatus(404);
export const isConflict = hasStatus(409);
/** The resourceVersion or continue token asked for is no longer kept. */
export const isGone = hasStatus(410);

/**
 * The same request will be refused again: by the kind's rules (422), by an admission webhook
 * that gives no code of its own (400), or by a schema that lacks a field of the apply, of
 * which the API server speaks as if the fault were its own.
 * @see https://github.com/kubernetes/kubernetes/issues/139253
 */
export function isInvalid(error: unknown): error is KubeApiError {
  if (!(error instanceof KubeApiError)) return false;
  const { status, message } = error;
  return status === 422 || status === 400 || (status === 500 && message.startsWith(UNTYPED));
}
const UNTYPED = 'failed to create typed patch object';

/** It failed at the API server, or at a webhook it asks: the same request may succeed a moment later. */
export function isServerError(error: unknown): error is KubeApiError {
  return error instanceof KubeApiError && error.status >= 500 && !isInvalid(error);
}

/** No answer came: the API server is away, or the way to it. */
export function isConnectionError(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && /^(UND_ERR_|E[A-Z]+$)/.test(code);
}

/** Reads the Status object of a refusal. */
export async function errorOf({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<KubeApiError> {
  const text = await body.text();
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  // As client-go has it: whoever sends Retry-After with 429 or 5xx has not begun to act on the request.
  const mayRetry = (statusCode === 429 || statusCode >= 500) && Number.isFinite(seconds);
  const { reason = 'Unknown', message = text } = parseStatus(text);
  return new KubeApiError(statusCode, reason, message, mayRetry ? seconds * 1000 : undefined);
}

function parseStatus(text: string): { reason?: string; message?: string } {
  try {
    return JSON.parse(text) as { reason?: string; message?: string };
  } catch {
    return {};
  }
}

/** Removes the port of a connection, which differs at each attempt: the status would be written each time. */
export function withoutPorts(answer: string): string {
  return answer.replace(/\b(read|write) (tcp|udp) \S+->/g, '$1 $2 ');
}
