/**
 * A revision: all inputs of its pods, named by their hash and frozen in a ControllerRevision, so that neither
 * an edit of other fields nor a newer operator version changes an existing revision.
 */
import { createHash } from 'node:crypto';
import { stringify } from 'smol-toml';
import { GROUP, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';
import type { PositionRecord } from '../api/v1alpha1/status/delivery-position.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import type { KubeObject } from '../runtime/kube-client.js';
import { ControllerRevisionKind } from './kinds.js';
import { meaningOf } from './meaning.js';
import { LABELS, owned } from './metadata.js';
import { podAuth } from './pod-auth.js';
import { type PodTemplate, podTemplate } from './pod-template.js';
import { recordAnnotations } from './position-record.js';
import { revisionScaling } from './revision-scaling.js';
import { withoutEmpty } from './without-empty.js';

export interface Revision {
  /** Name of its Deployment, ConfigMap, Service and ControllerRevision: `<api>-<hash>`. */
  name: string;
  /** Incremented with each new revision of a PcfApi. */
  number: number;
  image: string;
  template: PodTemplate;
  /** Content of the settings file; empty without overrides in the spec. */
  config: string;
  /** Source of the image, if set in the spec. */
  source?: PcfApiSpec['source'];
  /** Fields of the spec that are inputs of the revision, for an undo. */
  inputs?: RevisionInputs;
  /** Value of {@link ADOPT_ANNOTATION} at its creation. */
  adopted?: string;
  /** Hash of the contents of the Secrets at its creation, if a change of them creates a new revision. */
  secrets?: string;
}

/**
 * A new value creates a revision of the same spec: the pod template of a new operator version is applied
 * without waiting for the next delivery.
 */
export const ADOPT_ANNOTATION = `${GROUP}/adopt`;

/** Fields of the spec that are inputs of a revision, as an undo restores them. */
const REVISION_FIELDS = [
  ...(['image', 'environment', 'resources', 'env', 'config', 'database', 'redis', 'auth'] as const),
  ...(['imagePullSecrets', 'probes', 'terminationGracePeriod', 'scheduling', 'source'] as const),
  ...(['envFrom', 'volumes', 'volumeMounts', 'tmp', 'podMetadata'] as const),
] satisfies (keyof PcfApiSpec)[];

/** Fields of the spec that pods depend on. A change of other fields creates no revision. */
export type RevisionInputs = Partial<Pick<PcfApiSpec, (typeof REVISION_FIELDS)[number]>> & {
  availability?: Pick<NonNullable<PcfApiSpec['availability']>, 'topologySpread'>;
  secrets?: Partial<Pick<NonNullable<PcfApiSpec['secrets']>, 'onChange'>>;
  monitoring?: Pick<NonNullable<PcfApiSpec['monitoring']>, 'tracing'>;
  traffic?: Pick<NonNullable<PcfApiSpec['traffic']>, 'backendTLS'>;
  autoscaling?: Pick<NonNullable<PcfApiSpec['autoscaling']>, 'horizontal'>;
};

/**
 * Input of the hash in the name of a revision. An additional field, or a default in one of these fields,
 * would change the name of every revision, so an upgrade of the operator would start a delivery of every
 * PcfApi. Unset fields must not be part of the hash.
 */
function podInputs(spec: PcfApiSpec) {
  const { image, environment, env, database } = spec;
  const auth = podAuth(spec);
  const tracing = spec.monitoring?.tracing;
  const onChange = spec.secrets?.onChange === 'Rollout' ? 'Rollout' : undefined;
  const servingSecret = spec.traffic?.backendTLS?.secretName;
  return {
    ...{ image, environment, env, database, auth, onChange, tracing, servingSecret },
    horizontal: withoutEmpty(revisionScaling(spec)),
    ...meaningOf(spec),
  };
}

/** The same fields in the form of the spec, for an undo. */
export function revisionInputs(spec: PcfApiSpec): RevisionInputs {
  const { topologySpread } = spec.availability ?? {};
  const { onChange } = spec.secrets ?? {};
  const { tracing } = spec.monitoring ?? {};
  const { backendTLS } = spec.traffic ?? {};
  const horizontal = revisionScaling(spec);
  const inputs = { ...spec, auth: podAuth(spec) };
  const given = REVISION_FIELDS.map((field) => [field, inputs[field]]);
  return {
    ...Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    ...(topologySpread ? { availability: { topologySpread } } : {}),
    ...(onChange ? { secrets: { onChange } } : {}),
    ...(tracing ? { monitoring: { tracing } } : {}),
    ...(backendTLS ? { traffic: { backendTLS } } : {}),
    ...(horizontal ? { autoscaling: { horizontal } } : {}),
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

/** Whether the current operator version renders the pods of the revision differently. */
export function isOutdated(api: PcfApi, revision: Revision): boolean {
  if (!isRevisionOf(api, revision)) return false;
  const { name, template } = revision;
  return canonicalJson(podTemplate(api, name, name)) !== canonicalJson(template);
}

/** The alphabet of Kubernetes for generated names: without vowels, so that it forms no words. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

function safeName(hash: Buffer): string {
  return [...hash.subarray(0, 10)].map((byte) => alphabet[byte % alphabet.length]).join('');
}

/** Whether it is a possible revision name of this PcfApi. */
export function isRevisionName({ metadata }: PcfApi, name: string): boolean {
  const prefix = `${metadata.name}-`;
  const rest = name.slice(prefix.length);
  return name.startsWith(prefix) && rest.length === 10 && [...rest].every((char) => alphabet.includes(char));
}

/** Creates the revision that the spec describes. */
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

/** `record`: the part of the position that is recorded with it. */
export function controllerRevision(api: PcfApi, revision: Revision, record?: PositionRecord): KubeObject {
  const { name: _name, number: _number, ...data } = revision;
  return owned(api, ControllerRevisionKind, revision.name, {
    labels: { [LABELS.revision]: revision.name },
    annotations: recordAnnotations(record),
    revision: revision.number,
    data,
  });
}

/** Reads a revision from its ControllerRevision. */
export function revisionOf(object: KubeObject): Revision {
  const { data, revision } = object as KubeObject & {
    data: Omit<Revision, 'name' | 'number'>;
    revision: number;
  };
  return { name: object.metadata.name, number: revision, ...data };
}
