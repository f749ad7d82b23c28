import { CONFIG_FILE } from '../../contract/image.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { KubeObject } from '../runtime/kube-client.js';
import { ConfigMapKind } from './kinds.js';
import { LABELS, owned } from './metadata.js';
import type { Revision } from './revision.js';

/** Settings of one revision. Immutable, so that a rollback includes the settings. */
export function configMap(api: PcfApi, revision: Revision): KubeObject {
  return owned(api, ConfigMapKind, revision.name, {
    labels: { [LABELS.revision]: revision.name },
    immutable: true,
    data: { [CONFIG_FILE]: revision.config },
  });
}
