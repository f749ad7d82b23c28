/** Names of built-in functions, operators and types. A test compares them with the catalog of a server. */

/** Functions without side effects on data, schema and session. */
export const FUNCTIONS = new Set(
  `any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count every max min string_agg sum
  variance var_pop var_samp stddev stddev_pop stddev_samp
  json_agg jsonb_agg json_object_agg jsonb_object_agg mode percentile_cont percentile_disc range_agg
  row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
  abs cbrt ceil ceiling degrees div erf exp factorial floor gcd lcm least ln log log10 min_scale mod pi power radians
  random round scale sign sqrt trim_scale trunc width_bucket
  acos asin atan atan2 cos cot sin tan
  like_escape similar_to_escape is_normalized pg_collation_for
  ascii bit_length btrim casefold char_length character_length chr concat concat_ws convert_from convert_to crc32 crc32c
  decode encode format get_bit get_byte initcap left length like lower lpad ltrim md5 normalize notlike octet_length
  overlay parse_ident position quote_ident quote_literal quote_nullable regexp_count regexp_instr regexp_like
  regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr repeat replace
  reverse right rpad rtrim set_bit set_byte sha224 sha256 sha384 sha512 split_part starts_with string_to_array
  string_to_table strpos substr substring to_ascii to_bin to_char to_hex to_number to_oct translate unicode_assigned
  unistr upper
  age clock_timestamp date date_add date_bin date_part date_subtract date_trunc extract isfinite justify_days
  justify_hours justify_interval make_date make_interval make_time make_timestamp make_timestamptz now overlaps
  statement_timestamp timeofday timezone to_date to_timestamp transaction_timestamp
  gen_random_uuid uuidv4 uuidv7 uuid_extract_timestamp uuid_extract_version
  array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position
  array_positions array_prepend array_remove array_replace array_reverse array_sample array_shuffle array_sort
  array_to_json array_to_string array_upper
  cardinality generate_series generate_subscripts trim_array unnest
  json_array_elements json_array_elements_text json_array_length json_build_array json_build_object json_each
  json_each_text json_extract_path json_extract_path_text json_object json_object_keys json_populate_record
  json_populate_recordset json_strip_nulls json_to_record json_to_recordset json_typeof jsonb_array_elements
  jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_concat jsonb_delete jsonb_each
  jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_keys
  jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array jsonb_path_query_first
  jsonb_populate_record jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls
  jsonb_to_record jsonb_to_recordset jsonb_typeof row_to_json to_json to_jsonb
  daterange int4range int8range isempty lower_inc lower_inf multirange numrange range_merge tsrange tstzrange
  upper_inc upper_inf
  setweight strip to_tsquery to_tsvector phraseto_tsquery plainto_tsquery ts_headline ts_rank ts_rank_cd
  websearch_to_tsquery abbrev broadcast family host hostmask inet_merge masklen netmask network
  area center circle diameter height width line lseg box point polygon radius
  col_description current_database current_schema current_schemas current_setting enum_first enum_last enum_range
  format_type has_column_privilege has_schema_privilege has_table_privilege obj_description pg_backend_pid
  pg_column_size pg_get_constraintdef pg_get_expr pg_get_functiondef pg_get_indexdef pg_get_serial_sequence
  pg_get_triggerdef pg_get_viewdef pg_indexes_size pg_is_in_recovery pg_relation_size pg_sleep pg_trigger_depth
  pg_table_is_visible pg_table_size pg_total_relation_size pg_typeof shobj_description to_regclass to_regnamespace
  to_regproc to_regprocedure to_regtype txid_current pg_current_xact_id version
  num_nonnulls num_nulls currval lastval nextval hashtext hashtextextended pg_notify`.split(/\s+/),
);

/** The volatile functions in FUNCTIONS. */
export const VOLATILE = new Set(
  `random clock_timestamp timeofday gen_random_uuid uuidv4 uuidv7 array_sample array_shuffle setseed pg_sleep
  currval lastval nextval pg_notify pg_indexes_size pg_is_in_recovery pg_relation_size pg_table_size
  pg_total_relation_size`.split(/\s+/),
);

export const OPERATORS = new Set(
  `+ - * / % ^ |/ ||/ @ & | # ~ << >> || = <> != < <= > >= ~~ !~~ ~~* !~~* ~* !~ !~* ^@ ~<~ ~<=~ ~>~ ~>=~
  && @> <@ &< &> -|- <<= >>= << >> -> ->> #> #>> ? ?| ?& #- @? @@ @@@ !! ## ?# ?- ?|| ?-| @-@ @@ <-> <^ >^ ~= |>> <<| |&> &<|
  *= *<> *< *> *<= *>=`.split(/\s+/),
);

/** Types without constraints, of PostgreSQL and common extensions. */
export const TYPES = new Set(
  `text uuid json jsonb jsonpath bytea date timestamp timestamptz time timetz interval int2 int4 int8 float4 float8 numeric
  bool varchar bpchar char name bit varbit money xml inet cidr macaddr macaddr8 point line lseg box path polygon circle
  tsvector tsquery oid regclass regproc regprocedure regtype regnamespace regrole regconfig pg_lsn xid xid8 tid refcursor
  pg_snapshot int4range int8range numrange tsrange tstzrange daterange int4multirange int8multirange nummultirange
  tsmultirange tstzmultirange datemultirange smallserial serial bigserial serial2 serial4 serial8
  citext hstore ltree lquery ltxtquery cube seg vector halfvec sparsevec geometry geography`.split(/\s+/),
);
