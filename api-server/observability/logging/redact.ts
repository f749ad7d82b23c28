/** Removes the credentials of all URLs in a text. */
export function redactUrls(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, '$1***@');
}

/** Also removes the password of the given URL wherever it occurs. */
export function redact(text: string, url?: string): string {
  const redacted = redactUrls(text);
  if (!url || !URL.canParse(url)) return redacted;
  const { password } = new URL(url);
  const secrets = [password, decode(password)].filter((secret) => secret.length > 0);
  return secrets.reduce((clean, secret) => clean.replaceAll(secret, '***'), redacted);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
