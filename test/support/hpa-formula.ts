/**
 * The answer of Kubernetes' HorizontalPodAutoscaler for pods that are all ready and measured.
 * @see https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/podautoscaler/replica_calculator.go
 */
const TOLERANCE = 0.1;

/** What the scale subresource reports, and the ready pods that its selector matches. */
export interface Scale {
  specReplicas: number;
  statusReplicas: number;
  selectedPods: number;
}

export type Measurement =
  /** Resource: mean use of the selected pods, as a part of the target. */
  | { type: 'Resource'; ratio: number }
  /** External with AverageValue: one figure, and the target of each pod. */
  | { type: 'AverageValue'; total: number; targetPerPod: number }
  /** External or Object with Value: one figure as a part of its target, whatever the number of pods. */
  | { type: 'Value'; ratio: number };

export function hpaAnswer(
  scale: Scale,
  measurements: readonly Measurement[],
  { min, max }: { min: number; max: number },
): number {
  const answers = measurements.map((measurement) => answerTo(measurement, scale));
  return Math.min(max, Math.max(min, ...answers));
}

function answerTo(measurement: Measurement, scale: Scale): number {
  const { specReplicas, statusReplicas, selectedPods } = scale;
  switch (measurement.type) {
    case 'Resource':
      return isTolerated(measurement.ratio) ? statusReplicas : roundUp(measurement.ratio * selectedPods);
    case 'AverageValue': {
      const { total, targetPerPod } = measurement;
      return isTolerated(total / (targetPerPod * statusReplicas))
        ? statusReplicas
        : roundUp(total / targetPerPod);
    }
    case 'Value':
      return isTolerated(measurement.ratio) ? specReplicas : roundUp(measurement.ratio * selectedPods);
  }
}

function isTolerated(ratio: number): boolean {
  return Math.abs(ratio - 1) <= TOLERANCE + 1e-9;
}

/** The metrics API counts in whole thousandths, so what floating point adds is not there. */
function roundUp(pods: number): number {
  return Math.ceil(pods - 1e-9);
}
