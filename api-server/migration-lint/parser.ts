/**
 * PostgreSQL's parser, compiled to WebAssembly. V8's optimizing compiler, which V8 runs after some
 * statements, allocates 600 MB for one function: more than the memory limit of a migration Job. The code of
 * the baseline compiler is fast enough. V8 reads the flags when it compiles, so they are set before the import.
 */
import { setFlagsFromString } from 'node:v8';

setFlagsFromString('--no-wasm-tier-up');
setFlagsFromString('--no-wasm-dynamic-tiering');

export const { parse, parsePlPgSQL } = await import('libpg-query');
