/**
 * A smoke test as a team would write it: it sends eight queries to the preview, and fails
 * when a response has errors. It starts when the file at BEGIN exists.
 */
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

const ATTEMPTS = 8;
const { HOST = '', PORT = '', CA = '', BEGIN = '' } = process.env;
// URLs, because the node maps paths below /tmp to paths of the container.
const ca = readFileSync(new URL(CA));

while (!existsSync(new URL(BEGIN))) await sleep(20);
for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
  const { errors } = JSON.parse(await sendQuery('{ services(first: 1) { edges { node { name } } } }')) as {
    errors?: { message: string }[];
  };
  if (errors) {
    console.error(`the response has errors: ${errors.map(({ message }) => message).join('; ')}`);
    process.exit(1);
  }
}

function sendQuery(query: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const headers = { host: HOST, 'content-type': 'application/json' };
  const options = { host: '127.0.0.1', port: PORT, servername: HOST, ca, path: '/graphql', method: 'POST' };
  const sent = request({ ...options, headers }, (response) => {
    let text = '';
    response.on('data', (chunk: Buffer) => (text += chunk.toString()));
    response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))));
  });
  sent.on('error', reject);
  sent.end(JSON.stringify({ query }));
  return promise;
}
