/** What the row of a service must contain after a write of either version. Pure. */

export interface ModelRow {
  name: string;
  /** The column of version 1. */
  repository: string | null;
  /** The columns of version 2. */
  url: string | null;
  branch: string | null;
}

/**
 * Version 1 writes `repository`, and a trigger splits it. Version 2 writes `repository_url`, and the trigger of expand,
 * or that of the hidden column, composes the old column.
 */
export function rowAfterWrite(
  version: string,
  { name, branch }: Pick<ModelRow, 'name' | 'branch'>,
  text: string | null,
): ModelRow {
  if (version.startsWith('1.')) {
    const [url = '', newBranch = ''] = text?.split('#') ?? [];
    return { name, repository: text, url: text === null ? null : url, branch: newBranch || null };
  }
  const repository = text === null ? null : branch === null ? text : `${text}#${branch}`;
  return { name, repository, url: text, branch };
}
