#!/usr/bin/env node
/** Entry point of the kubectl plugin. It runs with the Node.js of the PATH, and reports an old version. */
import { enableCompileCache } from 'node:module';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  console.error(`error: kubectl-pcf needs Node.js 22.19 or newer; this is ${process.versions.node}`);
  process.exit(1);
}
enableCompileCache(); // in the temporary folder: saves a third of the start time
await import('./main.js');
