/** Whether a failed image pull can succeed later, from the reason and message of a waiting container. */

/** The registry was unreachable, overloaded or throttled its clients: the kubelet's next attempt can succeed. */
const TRANSIENT =
  /no such host|server misbehaving|name resolution|time-?out|timed out|deadline exceeded|connection (refused|reset)|connect: permission denied|no route to host|network is unreachable|unexpected EOF|: EOF|too ?many ?requests|rate limit|\b5\d\d \(?(internal|bad|service|gateway)|status(?: ?code)?:? 5\d\d|RegistryUnavailable/i;
/** The registry responded, or the reference can't be parsed: another attempt gets the same result. */
const PERMANENT =
  /manifest unknown|name unknown|not found|does not exist|no such manifest|invalid reference|unauthorized|authentication required|denied|forbidden|no match for platform|no matching manifest|SignatureValidationFailed/i;

/** The kubelet reports these in place of ErrImagePull. A retry alone does not resolve them. */
const NEVER_PULLED = new Set(['InvalidImageName', 'ErrImageNeverPull', 'SignatureValidationFailed']);
const PULLING = new Set(['ErrImagePull', 'ImagePullBackOff']);

/**
 * A message without a cause is not permanent: older kubelets name the cause only in ErrImagePull,
 * which recurs at each attempt. A message about several mirrors is transient if one of them is.
 */
export function isPermanentPullFailure(reason: string, message = ''): boolean {
  if (NEVER_PULLED.has(reason)) return true;
  if (!PULLING.has(reason)) return false;
  const cause = withoutNames(message);
  return PERMANENT.test(cause) && !TRANSIENT.test(cause);
}

export function isTransientPullFailure(reason: string, message = ''): boolean {
  return reason === 'RegistryUnavailable' || (PULLING.has(reason) && TRANSIENT.test(withoutNames(message)));
}

/** The name of an image or a host can contain `timeout` or `denied`. */
function withoutNames(message: string): string {
  return message.replaceAll(/"[^"]*"/g, '').replaceAll(/\S*\/\S*/g, '');
}
