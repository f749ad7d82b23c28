import type { BatchLoadFn } from 'dataloader';
import type { OperationMetrics } from './operation-metrics.js';

let observe: OperationMetrics['loaderBatch'] = () => undefined;

/**
 * Called once at startup. Loaders are created per request in the modules, which have no access to
 * the metrics.
 */
export function observeBatches(by: OperationMetrics['loaderBatch']): void {
  observe = by;
}

/** Wraps the batch function of a DataLoader to record its batch sizes. */
export function observedBatch<Key, Value>(
  loader: string,
  load: BatchLoadFn<Key, Value>,
): BatchLoadFn<Key, Value> {
  return (keys) => {
    observe(loader, keys.length);
    return load(keys);
  };
}
