/** An image from before migrations had phases: it serves, and does not know the operator's words. */
if (process.argv[2] === 'migrate') {
  process.stderr.write("error: unknown option '--phase'\n");
  process.exit(64);
}
await import(new URL('./api-server/main.js', import.meta.url).href);

export {};
