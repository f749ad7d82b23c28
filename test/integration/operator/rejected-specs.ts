interface RejectedSpec {
  /** Spec with an invalid value. */
  spec: object;
  /** Expected message of conditions and Events. */
  pattern: RegExp;
  /** Patch of the spec that fixes it. */
  fix: object;
}

export const scaling = (metric: object) => ({
  replicas: undefined,
  autoscaling: { horizontal: { maxReplicas: 3, metrics: [metric] } },
});

const cpu = (averageUtilization: unknown) => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});

/** Specs that are valid for PcfApi, but render an object that the API server rejects, by cause. */
export const rejectedSpecs: Record<string, RejectedSpec> = {
  'validation of the kind': {
    spec: { scheduling: { tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }] } },
    pattern: /tolerations\[0\].*value must be empty when `operator` is 'Exists'/,
    fix: { scheduling: null },
  },
  'schema of a custom resource': {
    spec: { traffic: { provider: 'GatewayAPI', hosts: ['a..b'], gateways: ['gateways/public'] } },
    pattern: /HTTPRoute.*spec\.hostnames\[0\].*"a\.\.b"/,
    fix: { traffic: { hosts: ['a.b'] } },
  },
  'unknown field': {
    spec: scaling({ nonsense: true }),
    pattern: /HorizontalPodAutoscaler.*\.spec\.metrics\[0\]\.nonsense: field not declared in schema/,
    fix: scaling(cpu(70)),
  },
  'value of a wrong type': {
    spec: scaling(cpu('much')),
    pattern: /HorizontalPodAutoscaler.*averageUtilization: expected numeric/,
    fix: scaling(cpu(70)),
  },
};
