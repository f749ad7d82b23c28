/** The chart pcf-operator as plain manifests, for an installation without Helm. */
import type { Helm } from '../sandbox/helm/helm.js';

export const OPERATOR_CHART = 'deploy/helm/pcf-operator';
export const OPERATOR_NAMESPACE = 'pcf-system';

const notice = '# Rendered from deploy/helm/pcf-operator by `npm run generate:manifests`; do not edit.\n';

/** Pod Security Standard of the namespace of the operator, whose pods comply with it. */
const namespace = `apiVersion: v1
kind: Namespace
metadata:
  name: ${OPERATOR_NAMESPACE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
`;

/** File of deploy/k8s/ -> templates of the chart. deploy/k8s/kustomization.yaml lists the files. */
const files: Record<string, readonly string[]> = {
  crds: ['crds', 'crd-downgrade'],
  operator: ['deployment', 'service', 'pdb', 'network-policy', 'flow-schema'],
  rbac: ['rbac'],
  'user-roles': ['user-roles'],
  // A separate folder, because it requires the CRDs of the Prometheus operator.
  'monitoring/monitoring': ['monitoring'],
};

/** Values of the plain manifests that differ from the defaults of the chart. */
const values = [
  'crds.keep=false',
  'uninstallCheck.enabled=false',
  'metrics.serviceMonitor.enabled=true',
  'metrics.prometheusRule.enabled=true',
  'dashboard.enabled=true',
];

/** Path relative to the repository -> content. */
export async function plainManifests(helm: Helm): Promise<Record<string, string>> {
  const out: Record<string, string> = { 'deploy/k8s/namespace.yaml': notice + namespace };
  for (const [file, templates] of Object.entries(files)) {
    const show = templates.flatMap((template) => ['--show-only', `templates/${template}.yaml`]);
    const text = await helm.run([
      ...['template', 'pcf-operator', OPERATOR_CHART, '--namespace', OPERATOR_NAMESPACE],
      ...['--set', values.join(','), ...show],
    ]);
    out[`deploy/k8s/${file}.yaml`] = notice + withoutHelm(text);
  }
  return out;
}

/** The labels would name Helm as the manager. */
function withoutHelm(text: string): string {
  return text
    .replaceAll(/^ *app\.kubernetes\.io\/managed-by: Helm\n/gm, '')
    .replaceAll(/^# Source: .*\n/gm, '')
    .replaceAll(/[ \t]+$/gm, '')
    .replaceAll(/^---\n(?=---\n)/gm, '');
}
