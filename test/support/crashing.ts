/** A version that migrates well, and ends with an error as soon as it is to serve. */
if (process.argv[2] === 'serve') {
  process.stderr.write('the price list is upside down\n');
  process.exit(1);
}
await import(new URL('./api-server/main.js', import.meta.url).href);

export {};
