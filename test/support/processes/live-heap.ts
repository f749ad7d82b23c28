/** Live heap of a Node.js process, without garbage. */
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { eventually } from '../cluster/pcf-api.js';

/** Environment of a process whose heap `liveHeapBytes` can measure. */
export const INSPECTED = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

/**
 * Collects garbage in a process and returns the bytes that are still in use, array buffers included.
 * Resident memory would depend on when V8 returns pages to the system.
 */
export async function liveHeapBytes(process: { output: string }): Promise<number> {
  let url: string | undefined;
  await eventually('the inspector is listening', () => {
    url = /Debugger listening on (ws:\S+)/.exec(process.output)?.[1];
    return url !== undefined;
  });
  const inspector = new WebSocket(String(url));
  await once(inspector, 'open');
  try {
    await call(inspector, 'HeapProfiler.collectGarbage');
    const { usedSize, backingStorageSize } = await call<{ usedSize: number; backingStorageSize: number }>(
      inspector,
      'Runtime.getHeapUsage',
    );
    return usedSize + backingStorageSize;
  } finally {
    inspector.terminate();
  }
}

async function call<T>(inspector: WebSocket, method: string): Promise<T> {
  inspector.send(JSON.stringify({ id: 1, method }));
  const [answer] = (await once(inspector, 'message')) as [Buffer];
  return (JSON.parse(answer.toString()) as { result: T }).result;
}
