/** The PcfApi custom resource: names, type, defaults that depend on the environment. */
import { z } from 'zod';
import type { ObjectMeta } from '../../runtime/kube-types.js';
import { cel } from './kubernetes.js';
import { type PcfApiSpec, pcfApiSpec } from './spec.js';
import { type PcfApiStatus, pcfApiStatus } from './status.js';

export const GROUP = 'pcf.dev';
export const VERSION = 'v1alpha1';
export const KIND = 'PcfApi';
export const PLURAL = 'pcfapis';
export const API_VERSION = `${GROUP}/${VERSION}`;

/** Field manager of every server-side apply, and `managed-by` of every object. */
export const FIELD_MANAGER = 'pcf-operator';
/** Field manager of requests that were made with approval links. */
export const APPROVAL_FIELD_MANAGER = 'pcf-approval-link';
export const FINALIZER = `${GROUP}/cleanup`;

/**
 * Maximum length of a name: with `-<hash of 10>-contract-<attempt>`, the longest suffix of a Job, and up
 * to 99 attempts, it has the 63 characters of a label value.
 */
export const MAX_NAME_LENGTH = 40;

/** The whole custom resource. */
export const pcfApiObject = z
  .strictObject({
    spec: pcfApiSpec.meta({ description: 'Desired state.' }),
    status: pcfApiStatus.optional().meta({ description: 'Observed state. Written by the operator.' }),
  })
  .meta({
    description:
      'PcfApi runs the PCF GraphQL API: its pods, the migrations of its database schema, and the delivery of new versions.',
    ...cel({
      rule: `self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= ${MAX_NAME_LENGTH}`,
      message: `metadata.name must start with a letter, contain only a-z, 0-9 and -, and have at most ${MAX_NAME_LENGTH} characters: names of Services and Jobs are derived from it`,
    }),
  });

export interface PcfApi {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta & Required<Pick<ObjectMeta, 'namespace' | 'uid' | 'resourceVersion' | 'generation'>>;
  spec: PcfApiSpec;
  status?: PcfApiStatus;
}
