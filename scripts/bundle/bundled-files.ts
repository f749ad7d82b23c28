import type { Metafile } from 'esbuild';

/** The files whose code is in the bundle. `metafile.inputs` also has those of which esbuild needed nothing. */
export function bundledFiles({ outputs }: Metafile): string[] {
  const files = Object.values(outputs).flatMap(({ inputs }) => Object.entries(inputs));
  return [...new Set(files.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([file]) => file))];
}
