/** A container registry without images, for deliveries of a wrong tag. */
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { HOST_ADDRESS } from './network.js';

export const REGISTRY = 'registry.example.com';
const PORT = 5000;

/** Responds as the distribution specification defines: MANIFEST_UNKNOWN. */
export async function startRegistry(): Promise<Server> {
  const server = createServer((request, response) => {
    const isPing = request.url === '/v2/';
    response.writeHead(isPing ? 200 : 404, { 'content-type': 'application/json' });
    response.end(isPing ? '{}' : '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
  });
  server.listen(PORT, HOST_ADDRESS);
  await once(server, 'listening');
  return server;
}

/** Points containerd to that registry for images of `registry.example.com`. */
export function writeRegistryConfig(folder: string): void {
  mkdirSync(join(folder, REGISTRY), { recursive: true });
  // The server too: a mirror without the image falls back to it.
  const url = `http://${HOST_ADDRESS}:${PORT}`;
  const config = `server = "${url}"\n[host."${url}"]\n  capabilities = ["pull", "resolve"]\n`;
  writeFileSync(join(folder, REGISTRY, 'hosts.toml'), config);
}
