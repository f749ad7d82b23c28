/**
 * PostgreSQL's parser as WebAssembly. After some statements V8 compiles it with its optimizing compiler,
 * which allocates 600 MB for one function: more than the memory limit of a migration Job. The code of
 * the baseline compiler is fast enough. V8 reads the flags when it compiles, so they come before the import.
 */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--no-wasm-tier-up');
setFlagsFromString('--no-wasm-dynamic-tiering');

export const { parse, parsePlPgSQL } = await import('libpg-query');
