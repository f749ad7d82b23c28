import type { Cluster, Command, Redis } from 'ioredis';
import { inSpan, isTracing } from '../../contract/tracing/tracing.js';

/**
 * Creates a span per command when tracing is enabled. It contains only the command name: keys and
 * values are user data.
 */
export function traceCommands(client: Redis | Cluster): void {
  if (!isTracing()) return;
  const send = client.sendCommand.bind(client) as (command: Command, ...rest: unknown[]) => Promise<unknown>;
  client.sendCommand = ((command: Command, ...rest: unknown[]) => {
    const attributes = { 'db.system.name': 'redis', 'db.operation.name': command.name };
    void inSpan(`${command.name} redis`, { kind: 'client', attributes }, () => command.promise).catch(
      () => undefined,
    );
    return send(command, ...rest);
  }) as typeof client.sendCommand;
}
