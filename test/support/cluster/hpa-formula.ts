/**
 * Desired replicas of Kubernetes' HorizontalPodAutoscaler for pods that are all ready and have metrics.
 * @see https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/podautoscaler/replica_calculator.go
 */
const TOLERANCE = 0.1;

/** Fields of the scale subresource, and the number of ready pods that its selector matches. */
export interface Scale {
  specReplicas: number;
  statusReplicas: number;
  selectedPods: number;
}

export type Measurement =
  /** Resource: mean usage of the selected pods as a ratio of the target. */
  | { type: 'Resource'; ratio: number }
  /** External with AverageValue: one value, and the target per pod. */
  | { type: 'AverageValue'; total: number; targetPerPod: number }
  /** External or Object with Value: one value as a ratio of its target, independent of the number of pods. */
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

/** The metrics API reports integer milli-units, so rounding errors of floating point are removed. */
function roundUp(pods: number): number {
  return Math.ceil(pods - 1e-9);
}
