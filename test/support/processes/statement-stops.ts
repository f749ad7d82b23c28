/**
 * Stops a run of migrations at its n-th statement, for tests of a kill or a failover at this point: the server has
 * executed the statement, and the run does not receive the result. Runs of one process are stopped independently.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';

type Query = (this: unknown, ...args: unknown[]) => unknown;
type Callback = (...results: unknown[]) => void;

export interface StoppedRun<T> {
  /** Resolves when the run is stopped, or if it ends before. */
  stopped: Promise<unknown>;
  /** Number of statements sent so far. */
  sent: () => number;
  /** The run receives the result of the statement, and continues. */
  resume: () => void;
  result: Promise<T>;
}

/** Number of the statement, from 1, or the first one that matches. */
export type StopPoint = number | RegExp;

interface Stop {
  at: StopPoint;
  sent: number;
  isReached: boolean;
  reached: () => void;
  resumed: Promise<void>;
}

const stops = new AsyncLocalStorage<Stop>();
/** A periodic statement of another connection, which is not counted. */
const WATCH = 'pg_blocking_pids';
const prototype = pg.Client.prototype as unknown as { query: Query };
const send = prototype.query;

prototype.query = function (...args) {
  const stop = stops.getStore();
  const sql = sqlOf(args);
  if (!stop || sql.includes(WATCH)) return send.apply(this, args);
  // A run may send from several connections: those that send after the stop wait as well.
  if (stop.isReached) return stop.resumed.then(() => send.apply(this, args));
  stop.sent += 1;
  if (typeof stop.at === 'number' ? stop.sent < stop.at : !stop.at.test(sql)) return send.apply(this, args);
  stop.isReached = true;
  const callback = args.at(-1);
  if (typeof callback === 'function') {
    const later = (...results: unknown[]) => {
      stop.reached();
      void stop.resumed.then(() => (callback as Callback)(...results));
    };
    return send.apply(this, [...args.slice(0, -1), later]);
  }
  const result = Promise.resolve(send.apply(this, args));
  const answer = result.finally(() => {
    stop.reached();
    return stop.resumed;
  });
  answer.catch(() => undefined); // the run may never be resumed
  return answer;
};

function sqlOf([first]: unknown[]): string {
  return typeof first === 'string' ? first : ((first as { text?: string } | undefined)?.text ?? '');
}

export function stopAtStatement<T>(at: StopPoint, run: () => Promise<T>): StoppedRun<T> {
  const reached = Promise.withResolvers<void>();
  const resumed = Promise.withResolvers<void>();
  const stop: Stop = { at, sent: 0, isReached: false, reached: reached.resolve, resumed: resumed.promise };
  const result = stops.run(stop, run);
  return {
    stopped: Promise.race([reached.promise, result.catch(() => undefined)]),
    sent: () => stop.sent,
    resume: resumed.resolve,
    result,
  };
}
