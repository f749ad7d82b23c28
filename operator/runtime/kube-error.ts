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
export const isInvalid = hasStatus(422);

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
