import { redactUrls } from '../observability/logging/redact.js';

/** One error in the settings. */
export interface ConfigProblem {
  /** The setting, for example `server.port`; empty when the error concerns a whole file. */
  path: string;
  /** The file or variable that sets it; undefined when none does. */
  source?: string;
  /** The actual and the expected value. Never contains the value of a secret. */
  problem: string;
}

/** The settings are invalid. A restart fails again until they change. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly ConfigProblem[]) {
    super(redactUrls(problems.map(sentence).join('; ')));
  }
}

function sentence({ path, source, problem }: ConfigProblem): string {
  const where = source ? ` (from ${source})` : '';
  return path ? `${path}: ${problem}${where}` : `${problem}${where}`;
}
