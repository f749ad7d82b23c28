/** A sandbox image: a folder with an image.json that says how to start what is in it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Image {
  /** The image's folder. */
  root: string;
  /** `node` means the Node.js that runs the sandbox; other words are paths in the folder or plain arguments. */
  entrypoint: string[];
  env: Record<string, string>;
  /** Container port -> the variable that tells the program which port it really gets. */
  portEnv: Record<string, string>;
}

/** Path of an image within the images folder: the registry's host is dropped. */
export function imagePath(reference: string): string {
  const parts = reference.split('/');
  const hasHost = parts.length > 1 && /[.:]|^localhost$/.test(parts[0]!);
  const path = (hasHost ? parts.slice(1) : parts).join('/');
  const [name, tag = 'latest'] = path.split(':');
  return join(name!, tag);
}

/** Throws an error in the kubelet's manner when there is no such image. */
export function loadImage(imagesDir: string, reference: string): Image {
  const root = join(imagesDir, imagePath(reference));
  try {
    const manifest = JSON.parse(readFileSync(join(root, 'image.json'), 'utf8')) as Partial<Image> & {
      entrypoint: string[];
    };
    return { env: {}, portEnv: {}, ...manifest, root };
  } catch {
    throw new Error(`failed to pull image "${reference}": not found among the sandbox's images`);
  }
}

/** The command line of the image's entrypoint. */
export function entrypointOf(image: Image): string[] {
  return image.entrypoint.map((word) => {
    if (word === 'node') return process.execPath;
    return word.startsWith('./') ? join(image.root, word) : word;
  });
}
