/** Converts environment variables. References to credentials become the fields of PcfApi for them. */
import { ENV, FILE_SUFFIX } from '../../../contract/image.js';
import type { Conversion } from '../conversion.js';
import type { Field, Path } from '../source.js';

/** Variables with a Secret that PcfApi has a field for: the names of the API, and common names. */
const SECRETS: Record<string, Path> = {
  [ENV.databaseUrl]: ['database', 'secretRef'],
  DATABASE_URL: ['database', 'secretRef'],
  [ENV.databaseReplicaUrl]: ['database', 'readReplicaSecretRef'],
  DATABASE_REPLICA_URL: ['database', 'readReplicaSecretRef'],
  [ENV.redisUrl]: ['redis', 'secretRef'],
  REDIS_URL: ['redis', 'secretRef'],
  [ENV.jwtSecret]: ['auth', 'jwtSecretRef'],
  JWT_SECRET: ['auth', 'jwtSecretRef'],
};

/** Other variables of the operator, with the field that replaces them. */
const FIELDS: Record<string, string> = {
  [ENV.migrationsLockTimeout]: 'spec.migrations.lockTimeout',
  [ENV.databaseMaxConnections]: 'spec.database.maxConnections, for all pods together',
  [ENV.redisMode]: 'spec.redis.mode',
  [ENV.jwtRotationOverlap]: 'spec.auth.rotation.overlap',
  [ENV.tracingEndpoint]: 'spec.monitoring.tracing.endpoint',
  [ENV.tlsCertFile]: 'spec.traffic.backendTLS',
  [ENV.tlsKeyFile]: 'spec.traffic.backendTLS',
};

const OPERATOR_ENV = Object.values(ENV).flatMap((name) => [name, name + FILE_SUFFIX]);
const ENVIRONMENTS = ['development', 'staging', 'production'];

export function convertEnvironment(conversion: Conversion, container: Field): void {
  const variables = container.at('env').items();
  const last = new Map(variables.map((variable) => [variable.at('name').text() ?? '', variable]));
  for (const variable of variables) {
    const name = String(variable.at('name').value);
    if (last.get(name) === variable) convertVariable(conversion, variable, name);
    else variable.note('NotNeeded', 'a later variable of the same name replaces it');
  }
  for (const source of container.at('envFrom').items())
    conversion.spec.append(['envFrom'], source.whole(), source);
}

function convertVariable(conversion: Conversion, variable: Field, name: string): void {
  const { spec } = conversion;
  const secret = variable.at('valueFrom', 'secretKeyRef');
  const field = SECRETS[name];
  if (field && secret.isGiven && !spec.has(field)) {
    spec.set(field, secretRef(secret));
    if (!OPERATOR_ENV.includes(name))
      variable.note(
        'Changed',
        `it is spec.${field.join('.')}, which the API reads as a URL or a key`,
        'check that the API image expects it',
      );
    return;
  }
  const value = variable.at('value');
  if (name === ENV.environment && ENVIRONMENTS.includes(value.value as string)) {
    if (!conversion.options.environment) spec.set(['environment'], value.text());
    else variable.note('NotNeeded', 'replaced by --environment');
    return;
  }
  if (OPERATOR_ENV.includes(name)) {
    const instead = FIELDS[name];
    variable.note('NotConverted', 'the operator sets this variable', instead ? `set ${instead}` : '');
    return;
  }
  if (variable.at('valueFrom').isGiven && !secret.isGiven) {
    variable.note(
      'NotConverted',
      'values come from Secrets, or are literal',
      'set a literal value, or use envFrom for a ConfigMap',
    );
    return;
  }
  const source = secret.isGiven
    ? { valueFrom: { secretKeyRef: secretRef(secret) } }
    : { value: value.text() ?? '' };
  spec.append(['env'], { name, ...source }, variable);
}

function secretRef(secret: Field): { name?: string; key?: string } {
  const optional = secret.at('optional');
  if (optional.value === true)
    optional.note('NotConverted', 'the Secret is required', 'create it before the first delivery');
  else optional.cover();
  return { name: secret.at('name').text(), key: secret.at('key').text() };
}
