/** Starts of recurring periods: cron schedules in a time zone. The only module that uses the cron library. */
import { Cron } from 'croner';
import { LRUCache } from 'lru-cache';

/** Times in milliseconds since the epoch. */
export interface Schedule {
  /** The latest start that is not after `at`; undefined if there is none. */
  latestStart(at: number): number | undefined;
  /** The first start after `at`; undefined if there is none. */
  nextStart(at: number): number | undefined;
}

/** Parsed schedules, because each evaluation reads the same ones. */
const parsed = new LRUCache<string, Schedule | Error>({ max: 1_000 });

/** Parses a cron schedule of five fields. Throws an error if it is invalid, never occurs, or the time zone is unknown. */
export function scheduleOf(pattern: string, timeZone: string): Schedule {
  const key = `${timeZone} ${pattern}`;
  const schedule = parsed.get(key) ?? parse(pattern, timeZone);
  parsed.set(key, schedule);
  if (schedule instanceof Error) throw schedule;
  return schedule;
}

function parse(pattern: string, timezone: string): Schedule | Error {
  try {
    // Lists and ranges of hours are fixed times too: the start of a freeze must not be skipped by daylight saving time.
    const cron = new Cron(pattern, { mode: '5-part', timezone, fixedTimeRule: 'no-wildcard', paused: true });
    if (!cron.nextRun(new Date(0))) return new Error('it never occurs');
    return {
      // The library returns starts before the given time only.
      latestStart: (at) => cron.previousRuns(1, new Date(at + 1))[0]?.getTime(),
      nextStart: (at) => cron.nextRun(new Date(at))?.getTime(),
    };
  } catch (error) {
    return error as Error;
  }
}
