import { redactUrls } from '../platform/logging/redact.js';

/** One thing that is wrong with the settings. */
export interface ConfigProblem {
  /** The setting, for instance `server.port`; empty when it is about a whole file. */
  path: string;
  /** The file or variable it came from, if anything set it. */
  source?: string;
  /** What is wrong and what was expected. Never holds a secret's value. */
  problem: string;
}

/** The settings are refused; starting again does not help until they change. */
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
