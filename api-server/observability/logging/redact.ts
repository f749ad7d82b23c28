/** A password that stands where a statement or a connection string sets it. */
const ASSIGNED = /(password(?:\s*=\s*|\s+(?=')))('[^']*'|[^\s'";]+)/gi;
const DISTINCTIVE_LENGTH = 8;
const LONG = 20;

/**
 * Removes the credentials of all URLs in a text. The expression does not include the scheme: its time would be
 * quadratic in the length of a text, and texts come from clients.
 */
export function redactUrls(text: string): string {
  return text.replace(/:\/\/[^\s/"]*@/g, '://***@');
}

/**
 * Also removes assigned passwords, and the password of the given URL wherever it occurs. A short
 * password, or one that is a word, is removed only from URLs and assignments: removing it everywhere
 * would remove words of the error message.
 */
export function redact(text: string, url?: string): string {
  const redacted = redactUrls(text).replace(ASSIGNED, '$1***');
  if (!url || !URL.canParse(url)) return redacted;
  const { password } = new URL(url);
  const secrets = [password, decode(password)].filter(isDistinctive);
  return secrets.reduce((clean, secret) => clean.replaceAll(secret, '***'), redacted);
}

/** Whether other texts are unlikely to contain it: `postgres` is a word, `s/cret-123` is not. */
function isDistinctive(secret: string): boolean {
  const isWord = /^([a-z]+|\d+)$/i.test(secret);
  return secret.length >= (isWord ? LONG : DISTINCTIVE_LENGTH);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
