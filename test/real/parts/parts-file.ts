/** Passes the parts from the process that builds them to the one that runs the scenarios. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Images } from './images.js';
import type { Programs } from './programs.js';

export const STATE_DIR = '.sandbox/real';
const FILE = join(STATE_DIR, 'parts.json');

export interface Parts {
  programs: Programs;
  images: Images;
}

export function writeParts(parts: Parts): void {
  writeFileSync(FILE, JSON.stringify(parts));
}

export function readParts(): Parts {
  return JSON.parse(readFileSync(FILE, 'utf8')) as Parts;
}
