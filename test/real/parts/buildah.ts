/** buildah with separate storage in the cache folder. */
import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { cacheFolder } from '../../../sandbox/process/cache-folder.js';

/** Runs buildah with temporary files in `folder`. Throws the end of its output if it fails. */
export async function buildah(args: readonly string[], folder: string): Promise<void> {
  const storage = resolve(cacheFolder(), 'buildah');
  const options = [
    `--root=${join(storage, 'root')}`,
    `--runroot=${join(storage, 'run')}`,
    '--storage-driver=overlay',
  ];
  const env = { ...process.env, TMPDIR: resolve(folder) };
  const child = spawn('buildah', [...options, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4_000);
    });
  const code = await new Promise((done, failed) => child.once('error', failed).once('close', done));
  if (code !== 0) throw new Error(`buildah ${args[0]}: ${output}`);
}

export async function hasImage(image: string, folder: string): Promise<boolean> {
  return buildah(['inspect', '--type=image', image], folder).then(
    () => true,
    () => false,
  );
}
