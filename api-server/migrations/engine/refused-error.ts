import type { MigrationFinding } from '../../../contract/image.js';

/** The run was rejected, and a retry can't succeed before the image, the database or the settings change. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';

  constructor(
    message: string,
    readonly findings: MigrationFinding[] = [],
  ) {
    super(message);
  }
}
