/** A sandbox image: a folder with an image.json that describes its entrypoint. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Image {
  /** Folder of the image. */
  root: string;
  /** `node` is the Node.js of the sandbox; other elements are paths in the folder or arguments. */
  entrypoint: string[];
  env: Record<string, string>;
  /** Container port -> environment variable with its real port. */
  portEnv: Record<string, string>;
}

/** Path of an image in the images folder, without the registry host. Throws for an invalid name. */
export function imagePath(reference: string): string {
  const parts = reference.split('/');
  const hasHost = parts.length > 1 && /[.:]|^localhost$/.test(parts[0]!);
  const path = (hasHost ? parts.slice(1) : parts).join('/');
  // A digest replaces the tag: name:tag@sha256:..., name@sha256:...
  const [, name, tag, digest] = /^([^:@]+)(?::([^@]+))?(?:@(?:sha256:)?(.+))?$/.exec(path) ?? [];
  if (!name || path.includes('..')) throw new Error(`"${reference}" is not the name of an image`);
  return join(name, digest ?? tag ?? 'latest');
}

/** Throws an error like the kubelet if the image does not exist. */
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

/** Command line of the entrypoint. */
export function entrypointOf(image: Image): string[] {
  return imageCommand(image, image.entrypoint);
}

/** Converts a command of the image to a local command. */
export function imageCommand(image: Image, words: readonly string[]): string[] {
  return words.map((word, index) => {
    if (word === 'node' && index === 0) return process.execPath;
    return word.startsWith('./') ? join(image.root, word) : word;
  });
}
