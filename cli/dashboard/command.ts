/** `kubectl pcf dashboard`: serves the page on localhost with the permissions of the caller. */
import { once } from 'node:events';
import { type Command, InvalidArgumentError } from 'commander';
import { DashboardServer } from '../../operator/dashboard/server.js';
import { type ClusterAccess, type ClusterOptions, clusterCommand, withCluster } from '../cluster.js';
import { CliError } from '../output.js';
import { untilInterrupted } from '../status/watch.js';
import { doAction } from './act.js';
import { openBrowser } from './browser.js';
import { startCaches } from './caches.js';
import { newToken, tokenGate } from './token.js';

type DashboardOptions = ClusterOptions & { port: number; open: boolean; allNamespaces: boolean };

const HOST = '127.0.0.1';

export function dashboardCommand(): Command {
  return clusterCommand('dashboard')
    .description('Show and control deliveries in the browser. Uses your permissions. Stop it with Ctrl-C.')
    .option('-A, --all-namespaces', 'show all namespaces', false)
    .option('--port <port>', 'port on 127.0.0.1; 0: any free port', port, 0)
    .option('--no-open', 'print the URL without opening a browser')
    .addHelpText(
      'after',
      `
The page is served on 127.0.0.1 only. The URL contains a token that is valid until the command ends.
A client with this token acts with your permissions.

Examples:
  $ kubectl pcf dashboard -n platform
  $ kubectl pcf dashboard --all-namespaces
  $ kubectl pcf dashboard --port 8090 --no-open     # then: ssh -L 8090:127.0.0.1:8090 ...`,
    )
    .action((options: DashboardOptions) => withCluster(options, (access) => serve(access, options)));
}

async function serve(access: ClusterAccess, options: DashboardOptions): Promise<void> {
  const stopped = untilInterrupted();
  const watching = new AbortController();
  const scope = options.allNamespaces ? undefined : access.namespace;
  const { source, running } = await startCaches(access.client, scope, watching.signal);
  const token = newToken();
  const server = new DashboardServer({
    source,
    admit: tokenGate(token),
    act: (request) => doAction(access.client, request),
    host: HOST,
    port: options.port,
    names: [HOST, 'localhost'],
  });
  try {
    const address = `http://${HOST}:${await listen(server, options.port)}/#token=${token}`;
    console.log(`Dashboard of ${scope ? `namespace ${scope}` : 'all namespaces'}: ${address}`);
    console.error('Press Ctrl-C to stop.');
    if (options.open) openBrowser(address, stopped);
    if (!stopped.aborted) await once(stopped, 'abort');
  } finally {
    watching.abort();
    await server.close();
    await running;
  }
}

async function listen(server: DashboardServer, port: number): Promise<number> {
  try {
    return await server.listen();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new CliError(`port ${port} is already in use; omit --port, or choose another port`);
  }
}

function port(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65_535)
    throw new InvalidArgumentError('It must be a whole number from 0 to 65535.');
  return value;
}
