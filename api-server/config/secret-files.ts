/** Secrets in files: `<setting>_file` is the path of the file with the value of `<setting>`. */
import { readFile } from 'node:fs/promises';
import type { ConfigProblem } from './config-error.js';
import type { Values } from './layers.js';
import { isSecret, settingPaths } from './schema-tree.js';

const SUFFIX = '_file';

/** Adds the contents of the files to `merged`. A file takes precedence over a value. */
export async function readSecretFiles(
  merged: Values,
  sources: Map<string, string>,
): Promise<ConfigProblem[]> {
  const problems: ConfigProblem[] = [];
  for (const path of settingPaths()) {
    const [section = '', key = ''] = path.split('.');
    const values = merged[section] as Values | undefined;
    if (!key || !isSecret([section, key])) continue;
    const file = values?.[key + SUFFIX];
    if (typeof file !== 'string') continue;
    try {
      values![key] = (await readFile(file, 'utf8')).trim();
      sources.set(path, file);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const source = sources.get(path + SUFFIX);
      problems.push({
        path: path + SUFFIX,
        source,
        problem: `cannot read the file (${code}), got "${file}"`,
      });
    }
  }
  return problems;
}
