/** Errors of the API server. */
import type { Dispatcher } from 'undici';

/** An error response of the API server: `reason` and `message` are those of its Status object. */
export class KubeApiError extends Error {
  override readonly name = 'KubeApiError';
  constructor(
    /** HTTP status, or the code of an ERROR event of a watch. */
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
/** The resourceVersion or continue token has expired. */
export const isGone = hasStatus(410);

/**
 * The same request will be rejected again: by the validation of the kind (422), by an admission webhook
 * without a code (400), or by a schema without a field of the apply, which the API server reports as an
 * internal error.
 * @see https://github.com/kubernetes/kubernetes/issues/139253
 */
export function isInvalid(error: unknown): error is KubeApiError {
  if (!(error instanceof KubeApiError)) return false;
  const { status, message } = error;
  return status === 422 || status === 400 || (status === 500 && message.startsWith(UNTYPED));
}
const UNTYPED = 'failed to create typed patch object';

/** The API server, or a webhook that it calls, failed: the same request can succeed later. */
export function isServerError(error: unknown): error is KubeApiError {
  return error instanceof KubeApiError && error.status >= 500 && !isInvalid(error);
}

/** No response: the API server is unavailable or unreachable. */
export function isConnectionError(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && /^(UND_ERR_|E[A-Z]+$)/.test(code);
}

/** Parses the Status object of an error response. */
export async function errorOf({ statusCode, headers, body }: Dispatcher.ResponseData): Promise<KubeApiError> {
  const text = await body.text();
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  // As in client-go: a server that sends Retry-After with 429 or 5xx has not started to process the request.
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
