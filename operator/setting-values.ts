/** Parsers of the values of flags and variables. Each throws an InvalidArgumentError that says what is valid. */
import { InvalidArgumentError } from 'commander';
import { durationMs, duration as durationSchema } from './api/v1alpha1/kubernetes.js';

export function namespaces(text: string, before: string[]): string[] {
  return [...before, ...text.split(',').map((name) => dnsLabel(name.trim()))];
}

export function dnsLabel(text: string): string {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text))
    throw new InvalidArgumentError(
      'It must be the name of a namespace: lower case letters, digits and dashes.',
    );
  return text;
}

export function duration(text: string): number {
  const isOne = durationSchema.safeParse(text).success && durationMs(text) > 0;
  if (!isOne) throw new InvalidArgumentError('It must be a duration such as 30s, 10m or 1h.');
  return durationMs(text);
}

/** Empty: unset, as in all variables of OpenTelemetry. */
export function httpUrl(text: string): string {
  if (text === '' || /^https?:$/.test(URL.parse(text)?.protocol ?? '')) return text;
  throw new InvalidArgumentError('It must be a URL such as http://collector:4318.');
}

const LOCAL_HOSTS = ['localhost', '127.0.0.1'];

/** A link authorizes its holder, so it must not cross a network in plain text. */
export function approvalUrl(text: string): string {
  if (text === '') return text;
  const url = URL.parse(text);
  const isPlain = url && !url.search && !url.hash && !url.username && !url.password;
  const isSafe =
    url?.protocol === 'https:' || (url?.protocol === 'http:' && LOCAL_HOSTS.includes(url.hostname));
  if (isPlain && isSafe) return url.href.replace(/\/$/, '');
  throw new InvalidArgumentError(
    'It must be an https URL without query, fragment and credentials, such as https://approvals.example.com.',
  );
}

export function headerName(text: string): string {
  if (text === '' || /^[A-Za-z0-9-]{1,64}$/.test(text)) return text;
  throw new InvalidArgumentError('It must be the name of a header, such as X-Forwarded-Email.');
}

export function ratio(text: string): number {
  const value = Number(text === '' ? 1 : text);
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError('It must be a number from 0 to 1.');
  return value;
}

export function resync(text: string): number {
  if (/^0[a-z]*$/.test(text)) return 0;
  if (duration(text) < 1_000) throw new InvalidArgumentError('It must be at least 1s, or 0 for never.');
  return duration(text);
}

export function wholeNumber(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    return value;
  };
}
