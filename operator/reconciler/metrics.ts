/** pcf_ metrics: what each PcfApi asks for and what is in force. */
import { Gauge, type Registry } from 'prom-client';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { PHASES } from '../api/v1alpha1/status.js';
import type { DeliveryPlan } from '../delivery/types.js';
import type { Summary } from './summary.js';

const identity = ['namespace', 'name'] as const;

export class Metrics {
  private readonly desiredWeight: Gauge<(typeof identity)[number]>;
  private readonly effectiveWeight: Gauge<(typeof identity)[number]>;
  private readonly phase: Gauge<'namespace' | 'name' | 'phase'>;

  constructor(registry: Registry) {
    const gauge = (name: string, help: string) =>
      new Gauge({ name, help, labelNames: identity, registers: [registry] });
    this.desiredWeight = gauge('pcf_desired_weight', 'Share asked for the new revision, in percent.');
    this.effectiveWeight = gauge('pcf_effective_weight', 'Share the new revision is given, in percent.');
    this.phase = new Gauge({
      name: 'pcf_phase',
      help: '1 for the phase a PcfApi is in, 0 for the others.',
      labelNames: [...identity, 'phase'],
      registers: [registry],
    });
  }

  record({ metadata: { namespace, name } }: PcfApi, { traffic }: DeliveryPlan, summary: Summary): void {
    this.desiredWeight.set({ namespace, name }, traffic.desiredWeight);
    this.effectiveWeight.set({ namespace, name }, traffic.effectiveWeight);
    for (const phase of PHASES) this.phase.set({ namespace, name, phase }, phase === summary.phase ? 1 : 0);
  }

  /** Drops the series of a PcfApi that is gone. */
  forget(namespace: string, name: string): void {
    this.desiredWeight.remove({ namespace, name });
    this.effectiveWeight.remove({ namespace, name });
    for (const phase of PHASES) this.phase.remove({ namespace, name, phase });
  }
}
