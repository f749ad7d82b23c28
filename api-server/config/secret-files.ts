/** Secrets that are in files: `<setting>_file` names the file that holds `<setting>`. */
import { readFile } from 'node:fs/promises';
import type { ConfigProblem } from './config-error.js';
import type { Values } from './layers.js';
import { isSecret, settingPaths } from './schema-tree.js';

const SUFFIX = '_file';

/** Puts the texts of the files into `merged`; a file wins over a value. */
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
      problems.push({ path: path + SUFFIX, source, problem: `can't be read (${code}), got "${file}"` });
    }
  }
  return problems;
}
