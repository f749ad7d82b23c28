/** A sandbox image: a folder with an image.json that says how to start what is in it. */
import { existsSync, readFileSync } from 'node:fs';
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

/** Path of an image within the images folder: the registry's host is dropped. Throws when it is no image's name. */
export function imagePath(reference: string): string {
  const parts = reference.split('/');
  const hasHost = parts.length > 1 && /[.:]|^localhost$/.test(parts[0]!);
  const path = (hasHost ? parts.slice(1) : parts).join('/');
  // A digest takes the place of the tag: name:tag@sha256:..., name@sha256:...
  const [, name, tag, digest] = /^([^:@]+)(?::([^@]+))?(?:@(?:sha256:)?(.+))?$/.exec(path) ?? [];
  if (!name || path.includes('..')) throw new Error(`"${reference}" is not the name of an image`);
  return join(name, digest ?? tag ?? 'latest');
}

/** Throws an error in the kubelet's manner when there is no such image. */
export function loadImage(imagesDir: string, reference: string): Image {
  const root = join(imagesDir, imagePath(reference));
  if (!existsSync(root))
    throw new Error(`failed to pull image "${reference}": not found among the sandbox's images`);
  try {
    const manifest = JSON.parse(readFileSync(join(root, 'image.json'), 'utf8')) as Partial<Image> & {
      entrypoint: string[];
    };
    return { env: {}, portEnv: {}, ...manifest, root };
  } catch (error) {
    throw new Error(`failed to pull image "${reference}": its image.json: ${(error as Error).message}`);
  }
}

/** The command line of the image's entrypoint. */
export function entrypointOf(image: Image): string[] {
  return imageCommand(image, image.entrypoint);
}

/** A command as it is in the image, as one of this machine. */
export function imageCommand(image: Image, words: readonly string[]): string[] {
  return words.map((word, index) => {
    if (word === 'node' && index === 0) return process.execPath;
    return word.startsWith('./') ? join(image.root, word) : word;
  });
}
