/** What calls of functions do: PostgreSQL's own are known by name, what any other one does is not. */
import { type Tree, walk } from './ast.js';
import type { RuleName } from './rules.js';

/** They bound how long a session waits, works or stays; the runner sets them. */
export const RUNNERS_SETTINGS =
  /^(lock|statement|transaction|idle_in_transaction_session|idle_session)_timeout$|^client_connection_check_interval$/i;

/** PostgreSQL's own that read and compute, and nothing else. */
const HARMLESS = new Set(
  `any_value array_agg avg bit_and bit_or bool_and bool_or count every max min string_agg sum variance stddev
  json_agg jsonb_agg json_object_agg jsonb_object_agg mode percentile_cont percentile_disc range_agg
  row_number rank dense_rank ntile lag lead first_value last_value nth_value
  abs ceil ceiling div exp floor greatest least ln log mod pi power random round sign sqrt trunc width_bucket
  ascii btrim char_length character_length chr concat concat_ws convert_from convert_to decode encode format
  initcap left length like lower lpad ltrim md5 normalize notlike octet_length overlay parse_ident position
  quote_ident quote_literal quote_nullable regexp_count regexp_like regexp_match regexp_matches regexp_replace
  regexp_split_to_array regexp_split_to_table regexp_substr repeat replace reverse right rpad rtrim sha224
  sha256 sha384 sha512 split_part starts_with string_to_array string_to_table strpos substr substring to_ascii
  to_char to_hex to_number translate unistr upper
  age clock_timestamp date date_bin date_part date_trunc extract isfinite justify_days justify_hours
  justify_interval make_date make_interval make_time make_timestamp make_timestamptz now overlaps
  statement_timestamp timeofday timezone to_date to_timestamp transaction_timestamp
  gen_random_uuid uuidv4 uuidv7 uuid_extract_timestamp
  array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position
  array_positions array_prepend array_remove array_replace array_to_json array_to_string array_upper
  cardinality generate_series generate_subscripts trim_array unnest
  json_array_elements json_array_elements_text json_array_length json_build_array json_build_object json_each
  json_each_text json_extract_path json_extract_path_text json_object json_object_keys json_populate_record
  json_strip_nulls json_to_record json_to_recordset json_typeof jsonb_array_elements jsonb_array_elements_text
  jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path
  jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_keys jsonb_path_exists jsonb_path_match
  jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_populate_record jsonb_pretty jsonb_set
  jsonb_set_lax jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_typeof row_to_json to_json to_jsonb
  daterange int4range int8range isempty lower_inc numrange range_merge tsrange tstzrange upper_inc
  setweight strip to_tsquery to_tsvector phraseto_tsquery plainto_tsquery ts_headline ts_rank
  websearch_to_tsquery abbrev broadcast family host hostmask masklen netmask network
  col_description current_database current_schema current_schemas current_setting format_type
  has_column_privilege has_schema_privilege has_table_privilege obj_description pg_backend_pid
  pg_column_size pg_get_constraintdef pg_get_expr pg_get_functiondef pg_get_indexdef pg_get_serial_sequence
  pg_get_triggerdef pg_get_viewdef pg_indexes_size pg_is_in_recovery pg_relation_size pg_sleep
  pg_table_is_visible pg_table_size pg_total_relation_size pg_typeof shobj_description to_regclass to_regproc
  to_regtype version num_nonnulls num_nulls currval lastval nextval hashtext hashtextextended`.split(/\s+/),
);

/** Kinds of statements that call their functions at once, rather than note them for later. */
const EXECUTES = new Set([
  'SelectStmt',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
  'CreateTableAsStmt',
  'ExplainStmt',
  'CopyStmt',
]);

export function functionRules(kind: string, body: Tree): RuleName[] {
  const found: RuleName[] = [];
  walk(body, (node, call) => {
    if (node !== 'FuncCall') return;
    const [schema, name] = nameOf(call);
    if (/^pg_(try_)?advisory_/.test(name)) found.push('run-lock');
    else if (name === 'set_config' && setsRunners(call)) found.push('lock-timeout');
    else if (name === 'set_config' && isCustom(settingOf(call))) return;
    else if (EXECUTES.has(kind) && (schema !== 'pg_catalog' || !HARMLESS.has(name))) found.push('opaque');
  });
  return found;
}

/** Of no schema is, as a rule, PostgreSQL's own: it is looked for there first. */
function nameOf(call: Tree): [schema: string, name: string] {
  const parts = (call?.funcname ?? []).map((one: Tree) => one.String?.sval ?? '');
  return [parts.length > 1 ? parts.at(-2) : 'pg_catalog', parts.at(-1) ?? ''];
}

/** A name that is only known at run time may be any. */
function setsRunners(call: Tree): boolean {
  const setting = settingOf(call);
  return setting === undefined || RUNNERS_SETTINGS.test(setting);
}

function settingOf(call: Tree): string | undefined {
  const setting = call.args?.[0]?.A_Const?.sval?.sval;
  return typeof setting === 'string' ? setting : undefined;
}

/** PostgreSQL's own have no dot in their names. */
function isCustom(setting: string | undefined): boolean {
  return setting?.includes('.') ?? false;
}
