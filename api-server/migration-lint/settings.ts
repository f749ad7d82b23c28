/** Rules for SET and set_config: a migration may change only memory, planner and custom settings. */
import type { Tree } from './ast.js';
import type { RuleName } from './rules.js';

/** Timeouts that the runner sets. */
const RUNNER_SETTINGS =
  /^(lock|statement|transaction|idle_in_transaction_session|idle_session|deadlock)_timeout$|^client_connection_check_interval$/i;

const HARMLESS =
  /^(maintenance_|autovacuum_)?work_mem$|^hash_mem_multiplier$|^max_parallel_(maintenance_)?workers(_per_gather)?$|^(effective|maintenance)_io_concurrency$|^(enable|jit|vacuum_cost)_\w+$|^jit$|^(random|seq)_page_cost$|^client_min_messages$/i;

/** `undefined` is a name that is computed at run time. */
export function settingRules(name: string | undefined): RuleName[] {
  if (name === undefined || RUNNER_SETTINGS.test(name)) return ['lock-timeout'];
  const isCustom = name.includes('.'); // names of built-in settings have no dot
  return isCustom || HARMLESS.test(name) ? [] : ['session-state'];
}

export function variableRules({ kind, name }: Tree): RuleName[] {
  return kind === 'VAR_RESET_ALL' ? ['lock-timeout', 'session-state'] : settingRules(name);
}

/** `SELECT set_config('work_mem', ...)` */
export function configRules(call: Tree): RuleName[] {
  const setting = call.args?.[0]?.A_Const?.sval?.sval;
  return settingRules(typeof setting === 'string' ? setting : undefined);
}
