#!/usr/bin/env node
import module from 'node:module'; // not by name: old versions lack `enableCompileCache`
/** Entry point of the kubectl plugin. It runs with the Node.js of the PATH, and reports an old version. */
import { homedir } from 'node:os';
import { join } from 'node:path';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(`error: kubectl-pcf needs Node.js 22.19 or newer; this is ${process.versions.node}`);
  process.exit(1);
}
// Saves a third of the start time. Not in the temporary folder, where other users could store code.
module.enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'kubectl-pcf'));
await import('./main.js');
