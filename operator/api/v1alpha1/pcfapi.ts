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
export const FINALIZER = `${GROUP}/cleanup`;

/**
 * Longest name that leaves room for `-<hash of 10>-contract-<attempt>`, the longest of its Jobs' names,
 * within the 63 characters of a label: up to 99 attempts.
 */
export const MAX_NAME_LENGTH = 40;

/** The whole object, as the CRD describes it. */
export const pcfApiObject = z
  .strictObject({
    spec: pcfApiSpec.meta({ description: 'What is asked for.' }),
    status: pcfApiStatus.optional().meta({ description: 'What is. Written by the operator.' }),
  })
  .meta({
    description:
      "Runs PCF's GraphQL API: its pods, its database schema, and the share of traffic a new version gets.",
    ...cel({
      rule: `self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= ${MAX_NAME_LENGTH}`,
      message: `metadata.name must start with a letter, hold only a-z, 0-9 and -, and be at most ${MAX_NAME_LENGTH} characters long: Services and Jobs are named after it`,
    }),
  });

export interface PcfApi {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta & Required<Pick<ObjectMeta, 'namespace' | 'uid' | 'resourceVersion' | 'generation'>>;
  spec: PcfApiSpec;
  status?: PcfApiStatus;
}
