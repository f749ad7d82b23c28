import { InvalidArgumentError } from 'commander';

const MAX_SECONDS = 7 * 24 * 3600;

/** Parses the value of an option. Throws InvalidArgumentError. */
export function seconds(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= MAX_SECONDS) return value;
  throw new InvalidArgumentError(`It must be a number of seconds, more than 0 and at most ${MAX_SECONDS}.`);
}

/** As {@link seconds}, for a value that a query uses. Throws InvalidArgumentError. */
export function wholeSeconds(text: string): number {
  const value = seconds(text);
  if (Number.isInteger(value)) return value;
  throw new InvalidArgumentError('It must be a whole number of seconds.');
}
