/** Values of several parts of the status. */
import { z } from 'zod';
import { shortText } from '../kubernetes.js';

/** Maximum number of revisions that are retained or have pods. Larger than `revisionHistoryLimit` allows. */
export const MAX_REVISIONS = 256;

export const count = (description: string) =>
  z.int().min(0).max(100_000).meta({ description, format: 'int32' });
export const percent = (description: string) =>
  z.int().min(0).max(100).meta({ description, format: 'int32' });
export const rowCount = (description: string) =>
  z.int().min(0).max(Number.MAX_SAFE_INTEGER).meta({ description, format: 'int64' });
export const migrationNames = (description: string) =>
  z.array(shortText).max(10_000).meta({ description, 'x-kubernetes-list-type': 'atomic' });
