import type { BatchLoadFn } from 'dataloader';
import type { OperationMetrics } from './operation-metrics.js';

let observe: OperationMetrics['loaderBatch'] = () => undefined;

/** Called once, by the role that has metrics; loaders are made for each request and far away from them. */
export function observeBatches(by: OperationMetrics['loaderBatch']): void {
  observe = by;
}

/** The batch function of a DataLoader, measured. */
export function observedBatch<Key, Value>(
  loader: string,
  load: BatchLoadFn<Key, Value>,
): BatchLoadFn<Key, Value> {
  return (keys) => {
    observe(loader, keys.length);
    return load(keys);
  };
}
