/** Checks of Secrets, database, backup and certificate. */
import { X509Certificate } from 'node:crypto';
import pg from 'pg';
import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import { certificateSecret } from '../../operator/resources/certificate.js';
import { SecretKind } from '../../operator/resources/kinds.js';
import {
  type SecretKeyRef,
  secretRefs,
  servingCertificate,
  wholeSecrets,
} from '../../operator/resources/secret-refs.js';
import { isForbidden, isNotFound, type KubeClient } from '../../operator/runtime/kube-client.js';
import type { KubeObject, ResourceType } from '../../operator/runtime/kube-types.js';
import { generatesKeys } from '../../operator/signing-keys/source.js';
import { asAllowed, type Check, type Finding, type Subject } from './types.js';

export const dataChecks: Check[] = [
  secretsExist,
  databaseReachable,
  backup,
  asAllowed('certificate issuer', issuer),
  certificate,
];

const PULL_SECRET_KEY = '.dockerconfigjson';

type Secret = KubeObject & { data?: Record<string, string> };

/** `forbidden` if the caller may not read it. */
async function readSecret(
  client: KubeClient,
  namespace: string,
  name: string,
): Promise<Secret | 'forbidden' | undefined> {
  try {
    return (await client.get(SecretKind, namespace, name)) as Secret;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    if (isForbidden(error)) return 'forbidden';
    throw error;
  }
}

async function secretsExist({ client, api }: Subject): Promise<Finding[]> {
  const refs = [...secretRefs(api.spec), ...servingCertificate(api.spec)];
  const byName = Map.groupBy(refs, ({ name }) => name);
  const whole = wholeSecrets(api.spec).filter(({ name, optional }) => !optional && !byName.has(name));
  const pullSecrets = (api.spec.imagePullSecrets ?? []).map(({ name }) => ({ name, key: PULL_SECRET_KEY }));
  return Promise.all([
    ...[...byName].map(([name, refs]) => secretExists(client, api, name, refs)),
    ...whole.map(({ name }) => secretExists(client, api, name, [])),
    ...pullSecrets.map((ref) => secretExists(client, api, ref.name, [ref])),
  ]);
}

async function secretExists(
  client: KubeClient,
  api: PcfApi,
  name: string,
  refs: SecretKeyRef[],
): Promise<Finding> {
  const check = `Secret ${name}`;
  const { namespace } = api.metadata;
  const secret = await readSecret(client, namespace, name);
  if (secret === 'forbidden') return { check, outcome: 'skipped', message: 'your account may not read it' };
  const isGenerated = generatesKeys(api.spec) && api.spec.auth?.jwtSecretRef.name === name;
  if (!secret && isGenerated) return { check, outcome: 'ok', message: 'the operator creates it' };
  const keys = [...new Set(refs.map(({ key }) => key))];
  const missing = keys.filter((key) => secret?.data?.[key] === undefined);
  if (secret && missing.length === 0)
    return { check, outcome: 'ok', message: keys.length > 0 ? `has ${keys.join(', ')}` : 'exists' };
  const message = secret ? `lacks ${missing.join(', ')}` : 'does not exist';
  return { check, outcome: 'fail', message, remedy: secretRemedy(api, name, missing, secret !== undefined) };
}

function secretRemedy({ spec, metadata }: PcfApi, name: string, missing: string[], exists: boolean): string {
  const where = `${name} -n ${metadata.namespace}`;
  const keys = missing.join(', ');
  // The operator creates no ExternalSecret for pull secrets.
  if (missing.includes(PULL_SECRET_KEY))
    return `kubectl create secret docker-registry ${where} --docker-server=... --docker-username=... --docker-password=...`;
  // The operator creates no ExternalSecret for a Secret that is read as a whole: its keys are not in the spec.
  if (missing.length === 0) return `kubectl create secret generic ${where} --from-literal=...`;
  if (spec.secrets?.provider === 'ExternalSecrets')
    return `add ${keys} to the store, and check: kubectl describe externalsecret ${where}`;
  if (exists) return `kubectl edit secret ${where}, and add ${keys}`;
  return `kubectl create secret generic ${where} ${missing.map((key) => `--from-literal=${key}=...`).join(' ')}`;
}

/** Oldest supported major version of PostgreSQL. */
const OLDEST_POSTGRESQL = 14;

async function databaseReachable({ client, api, connect }: Subject): Promise<Finding> {
  const check = 'database';
  if (!connect) {
    return { check, outcome: 'skipped', message: 'not checked; use --connect to connect from this machine' };
  }
  const { name, key } = api.spec.database.secretRef;
  const secret = await readSecret(client, api.metadata.namespace, name);
  const url = secret && secret !== 'forbidden' ? secret.data?.[key] : undefined;
  if (!url)
    return {
      check,
      outcome: 'skipped',
      message: `Secret ${name} has no URL, or your account may not read it`,
    };
  const database = new pg.Client({
    connectionString: Buffer.from(url, 'base64').toString('utf8'),
    connectionTimeoutMillis: 5_000,
    statement_timeout: 5_000,
  });
  try {
    await database.connect();
    const { rows } = await database.query<{ server_version: string }>('SHOW server_version');
    return versionFinding(check, rows[0]?.server_version ?? '0');
  } catch (error) {
    // The driver's messages name host and user, never the password.
    const message = `unreachable from this machine: ${(error as Error).message}`;
    const remedy = `check the URL in Secret ${name}, the firewall, and whether the database runs`;
    return { check, outcome: 'fail', message, remedy };
  } finally {
    await database.end().catch(() => {});
  }
}

/** Exported for tests. */
export function versionFinding(check: string, version: string): Finding {
  if (Number.parseInt(version, 10) >= OLDEST_POSTGRESQL)
    return { check, outcome: 'ok', message: `PostgreSQL ${version} is reachable` };
  return {
    check,
    outcome: 'fail',
    message: `PostgreSQL ${version} is too old`,
    remedy: `use version ${OLDEST_POSTGRESQL} or newer`,
  };
}

const BACKUP_ANNOTATION = 'pcf.dev/backup';
const backupKinds: ResourceType[] = [
  {
    group: 'postgresql.cnpg.io',
    version: 'v1',
    kind: 'ScheduledBackup',
    plural: 'scheduledbackups',
    namespaced: true,
  },
  { group: 'velero.io', version: 'v1', kind: 'Schedule', plural: 'schedules', namespaced: true },
];

async function backup({ client, api }: Subject): Promise<Finding> {
  const check = 'backup';
  const said = api.metadata.annotations?.[BACKUP_ANNOTATION];
  if (said) return { check, outcome: 'ok', message: `annotated as ${said}` };
  const hidden: string[] = [];
  for (const kind of backupKinds) {
    if (!(await client.serves(kind))) continue;
    const some = await client.list(kind, { limit: 1 }).catch((error: unknown) => {
      if (!isForbidden(error)) throw error;
      hidden.push(`${kind.plural}.${kind.group}`);
    });
    if (some?.items.length) return { check, outcome: 'ok', message: `found a ${kind.kind} (${kind.group})` };
  }
  if (hidden.length > 0) {
    const message = `your account may not list ${hidden.join(', ')}`;
    return { check, outcome: 'skipped', message };
  }
  return {
    check,
    outcome: 'warn',
    message: 'no backup found (CloudNativePG ScheduledBackup, Velero Schedule)',
    remedy: `if another tool creates backups, record it: kubectl annotate pcf ${api.metadata.name} -n ${api.metadata.namespace} ${BACKUP_ANNOTATION}='daily snapshots'`,
  };
}

const EXPIRES_SOON_DAYS = 14;
const DAY_MS = 86_400_000;

async function issuer({ client, api }: Subject): Promise<Finding | Finding[]> {
  const { issuerRef } = api.spec.tls ?? {};
  if (!issuerRef) return [];
  const check = 'certificate issuer';
  const { kind, name } = issuerRef;
  const type: ResourceType = {
    group: 'cert-manager.io',
    version: 'v1',
    kind,
    plural: `${kind.toLowerCase()}s`,
    namespaced: kind === 'Issuer',
  };
  try {
    await client.get(type, api.metadata.namespace, name);
    return { check, outcome: 'ok', message: `${kind} ${name} exists` };
  } catch (error) {
    if (!isNotFound(error)) throw error;
    const remedy = `install cert-manager and create ${kind} ${name}, or change spec.tls.issuerRef`;
    return { check, outcome: 'fail', message: `${kind} ${name} does not exist`, remedy };
  }
}

async function certificate({ client, api, applied }: Subject): Promise<Finding | Finding[]> {
  if (!api.spec.tls || !applied) return [];
  const check = 'certificate';
  const name = certificateSecret(api);
  const secret = await readSecret(client, api.metadata.namespace, name);
  if (secret === 'forbidden') return { check, outcome: 'skipped', message: 'your account may not read it' };
  const remedy = api.spec.tls.issuerRef
    ? `kubectl describe certificate ${api.metadata.name} -n ${api.metadata.namespace}`
    : `kubectl create secret tls ${name} -n ${api.metadata.namespace} --cert=... --key=...`;
  const pem = secret?.data?.['tls.crt'];
  if (!pem) return { check, outcome: 'fail', message: `Secret ${name} has no certificate yet`, remedy };
  const { validToDate } = new X509Certificate(Buffer.from(pem, 'base64'));
  const days = Math.floor((validToDate.getTime() - Date.now()) / DAY_MS);
  if (days < 0) return { check, outcome: 'fail', message: `expired ${-days} days ago`, remedy };
  if (days < EXPIRES_SOON_DAYS) return { check, outcome: 'warn', message: `expires in ${days} days`, remedy };
  return { check, outcome: 'ok', message: `valid for ${days} days` };
}
