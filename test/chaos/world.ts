/** Objects that actions use. */
import type { TestApi } from '../support/cluster/pcf-api.js';
import type { Operators } from './operators.js';
import type { Watchdog } from './watchdog.js';

export interface World {
  api: TestApi;
  operators: Operators;
  watchdog: Watchdog;
}
