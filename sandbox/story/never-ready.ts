/** Version 1.2.0 of the scenario: migrations succeed, it starts, and is never ready. */
import { createServer } from 'node:http';

if (process.argv[2] === 'serve') {
  const port = Number(process.env.PCF_API__SERVER__PORT);
  const server = createServer((request, response) => {
    const alive = request.url === '/health' || request.url === '/health/startup';
    response.writeHead(alive ? 200 : 503).end(alive ? 'ok\n' : 'not ready, and never will be\n');
  });
  server.listen(port, '127.0.0.1');
  process.on('SIGTERM', () => process.exit(0));
} else {
  await import(new URL('./api-server/main.js', import.meta.url).href);
}
