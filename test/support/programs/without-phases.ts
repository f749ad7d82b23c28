/** An image without support for migration phases: it serves, but rejects the option --phase. */
if (process.argv[2] === 'migrate') {
  process.stderr.write("error: unknown option '--phase'\n");
  process.exit(64);
}
await import(new URL('./api-server/main.js', import.meta.url).href);

export {};
