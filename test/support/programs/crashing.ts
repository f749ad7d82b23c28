/** A version whose migrations succeed, and whose serve role exits with an error immediately. */
if (process.argv[2] === 'serve') {
  process.stderr.write('the price list is upside down\n');
  process.exit(1);
}
await import(new URL('./api-server/main.js', import.meta.url).href);

export {};
