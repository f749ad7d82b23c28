import type { MigrationFinding } from '../../../contract/image.js';

/** Not done, and no other try will do it: the image, the database or the settings must change first. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';

  constructor(
    message: string,
    readonly findings: MigrationFinding[] = [],
  ) {
    super(message);
  }
}
