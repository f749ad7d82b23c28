/**
 * Values of the work in progress, such as the database session of a request. All of them share one
 * AsyncLocalStorage, because Node.js copies its map of all storages each time one of them is entered.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

export type AsyncValues = Readonly<Record<string, unknown>>;

const storage = new AsyncLocalStorage<AsyncValues>();

/** Like an AsyncLocalStorage. */
export class AsyncValue<T> {
  /** @param name unique in the process */
  constructor(private readonly name: string) {}

  getStore(): T | undefined {
    return storage.getStore()?.[this.name] as T | undefined;
  }

  run<R>(value: T, work: () => R): R {
    return runWith(this.with(value), work);
  }

  /** Runs `work` without the value. */
  exit<R>(work: () => R): R {
    return runWith({ [this.name]: undefined }, work);
  }

  /** For `runWith`. */
  with(value: T): AsyncValues {
    return { [this.name]: value };
  }
}

/** Runs `work` with several values. Values with other names stay the same. */
export function runWith<R>(values: AsyncValues, work: () => R): R {
  return storage.run({ ...storage.getStore(), ...values }, work);
}
