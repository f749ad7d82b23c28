/** The programs of a control plane. */
export const PROGRAMS = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubectl',
] as const;
export type Program = (typeof PROGRAMS)[number];
export type ControlPlane = Record<Program, string>;

/** Where the Go source of the all-in-one program is, from the repository's root. */
export const SOURCE = 'sandbox/control-plane';
