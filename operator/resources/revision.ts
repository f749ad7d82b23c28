/**
 * A revision: everything that decides what a pod runs, named by its hash and
 * frozen in a ControllerRevision, so that neither an edit elsewhere in the spec
 * nor a newer operator changes what an existing revision runs.
 */
import { createHash } from 'node:crypto';
import { stringify } from 'smol-toml';
import { GROUP, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import type { PositionRecord } from '../api/v1alpha1/status.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import type { KubeObject } from '../runtime/kube-client.js';
import { ControllerRevisionKind } from './kinds.js';
import { meaningOf } from './meaning.js';
import { LABELS, owned } from './metadata.js';
import { type PodTemplate, podTemplate } from './pod-template.js';
import { recordAnnotations } from './position-record.js';

export interface Revision {
  /** Name of its Deployment, ConfigMap, Service and ControllerRevision: `<api>-<hash>`. */
  name: string;
  /** Counts up with each new revision of a PcfApi. */
  number: number;
  image: string;
  template: PodTemplate;
  /** Text of the settings file; empty when the spec has no overrides. */
  config: string;
  /** What the image was built from, if the spec said so. */
  source?: PcfApiSpec['source'];
  /** What of the spec it was made of, so that an undo can write it back. */
  inputs?: RevisionInputs;
  /** Value of {@link ADOPT_ANNOTATION} when it was made. */
  adopted?: string;
  /** What the Secrets held when it was made, as a hash, if a change of theirs is to make a new revision. */
  secrets?: string;
}

/**
 * A value that it did not have makes a revision of the same spec: how the pods are rendered by
 * an operator that was upgraded is taken over without waiting for the next delivery.
 */
export const ADOPT_ANNOTATION = `${GROUP}/adopt`;

/** Fields of spec that make a revision, as an undo puts them back. */
const REVISION_FIELDS = [
  ...(['image', 'environment', 'resources', 'env', 'config', 'database', 'redis', 'auth'] as const),
  ...(['imagePullSecrets', 'probes', 'terminationGracePeriod', 'scheduling', 'source'] as const),
  ...(['envFrom', 'volumes', 'volumeMounts', 'tmp', 'podMetadata'] as const),
] satisfies (keyof PcfApiSpec)[];

/** What of spec a pod depends on. A change of anything else makes no new revision. */
export type RevisionInputs = Partial<Pick<PcfApiSpec, (typeof REVISION_FIELDS)[number]>> & {
  availability?: Pick<NonNullable<PcfApiSpec['availability']>, 'topologySpread'>;
  secrets?: Partial<Pick<NonNullable<PcfApiSpec['secrets']>, 'onChange'>>;
  monitoring?: Pick<NonNullable<PcfApiSpec['monitoring']>, 'tracing'>;
  traffic?: Pick<NonNullable<PcfApiSpec['traffic']>, 'backendTLS'>;
};

/**
 * What the name of a revision is the hash of. A field that is added here, or a default that is
 * added below one of these, gives every revision another name and so delivers every PcfApi
 * again when the operator is upgraded: what is not in the spec must stay out of the hash.
 */
function podInputs(spec: PcfApiSpec) {
  const { image, environment, env, database, auth } = spec;
  const tracing = spec.monitoring?.tracing;
  const onChange = spec.secrets?.onChange === 'Rollout' ? 'Rollout' : undefined;
  const servingSecret = spec.traffic?.backendTLS?.secretName;
  return {
    ...{ image, environment, env, database, auth, onChange, tracing, servingSecret },
    ...meaningOf(spec),
  };
}

/** The same as fields of spec: what an undo puts back. */
export function revisionInputs(spec: PcfApiSpec): RevisionInputs {
  const { topologySpread } = spec.availability ?? {};
  const { onChange } = spec.secrets ?? {};
  const { tracing } = spec.monitoring ?? {};
  const { backendTLS } = spec.traffic ?? {};
  const given = REVISION_FIELDS.map((field) => [field, spec[field]]);
  return {
    ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    ...(topologySpread ? { availability: { topologySpread } } : {}),
    ...(onChange ? { secrets: { onChange } } : {}),
    ...(tracing ? { monitoring: { tracing } } : {}),
    ...(backendTLS ? { traffic: { backendTLS } } : {}),
  };
}

/** Name of the revision that the spec describes; `secrets` as in {@link Revision}. */
export function revisionName(api: PcfApi, secrets?: string): string {
  const hash = createHash('sha256')
    .update(canonicalJson({ ...podInputs(api.spec), secrets, adopted: adoptedBy(api) }))
    .digest();
  return `${api.metadata.name}-${safeName(hash)}`;
}

/**
 * Whether the spec describes a recorded revision. The name of the record may differ, because an older operator
 * hashed the text of the spec and not its meaning: an upgrade of the operator starts no delivery.
 */
export function isRevisionOf(api: PcfApi, revision: Revision, secrets = revision.secrets): boolean {
  const wanted = revisionName(api, secrets);
  const { name, inputs, adopted } = revision;
  if (name === wanted || !inputs) return name === wanted;
  const annotations: Record<string, string> = adopted ? { [ADOPT_ANNOTATION]: adopted } : {};
  const recorded = { ...api, metadata: { ...api.metadata, annotations }, spec: inputs as PcfApiSpec };
  return revisionName(recorded, revision.secrets) === wanted;
}

function adoptedBy({ metadata }: PcfApi): string | undefined {
  return metadata.annotations?.[ADOPT_ANNOTATION];
}

/** Whether today's pods of the revision that the spec describes would be rendered in another way than they were. */
export function isOutdated(api: PcfApi, revision: Revision): boolean {
  if (!isRevisionOf(api, revision)) return false;
  const { name, template } = revision;
  return canonicalJson(podTemplate(api, name, name)) !== canonicalJson(template);
}

/** Kubernetes' own alphabet for generated names: no vowels, so no words. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

function safeName(hash: Buffer): string {
  return [...hash.subarray(0, 10)].map((byte) => alphabet[byte % alphabet.length]).join('');
}

/** Whether a revision of this PcfApi could have the name. */
export function isRevisionName({ metadata }: PcfApi, name: string): boolean {
  const prefix = `${metadata.name}-`;
  const rest = name.slice(prefix.length);
  return name.startsWith(prefix) && rest.length === 10 && [...rest].every((char) => alphabet.includes(char));
}

/** Makes the revision that the spec describes now. */
export function newRevision(api: PcfApi, number: number, secrets?: string): Revision {
  const name = revisionName(api, secrets);
  const config = api.spec.config ? stringify(api.spec.config) : '';
  const template = podTemplate(api, name, name);
  const { source } = api.spec;
  const adopted = adoptedBy(api);
  return {
    ...{ name, number, image: api.spec.image, template, config, inputs: revisionInputs(api.spec) },
    ...(source ? { source } : {}),
    ...(adopted ? { adopted } : {}),
    ...(secrets ? { secrets } : {}),
  };
}

/** `record`: the part of the delivery's position to keep with it. */
export function controllerRevision(api: PcfApi, revision: Revision, record?: PositionRecord): KubeObject {
  const { name: _name, number: _number, ...data } = revision;
  return owned(api, ControllerRevisionKind, revision.name, {
    labels: { [LABELS.revision]: revision.name },
    annotations: recordAnnotations(record),
    revision: revision.number,
    data,
  });
}

/** Reads a revision back from its ControllerRevision. */
export function revisionOf(object: KubeObject): Revision {
  const { data, revision } = object as KubeObject & {
    data: Omit<Revision, 'name' | 'number'>;
    revision: number;
  };
  return { name: object.metadata.name, number: revision, ...data };
}
