/** Evaluates label selectors of Kubernetes (metav1.LabelSelector). */

export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: readonly LabelRequirement[];
}

export interface LabelRequirement {
  key: string;
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  values?: readonly string[];
}

/** Whether labels match a selector. An empty or absent selector matches everything. */
export function matchesLabels(selector: LabelSelector = {}, labels: Record<string, string> = {}): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every((requirement) => meets(requirement, labels))
  );
}

/** As in Kubernetes, `NotIn` also matches an object without the label. */
function meets({ key, operator, values = [] }: LabelRequirement, labels: Record<string, string>): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}
