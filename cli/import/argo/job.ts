/** Converts a Job of an AnalysisTemplate. */
import type { Field } from '../source.js';
import type { Arguments } from './arguments.js';

const FAILED = {
  why: 'its Job has an argument without a known value',
  instead: 'use PCF_REVISION, PCF_NAMESPACE and PCF_NAME in the Job',
};

/** `{ job }` for a metric, or the reason that the Job can't be converted. */
export function jobTemplate(
  job: Field,
  values: Arguments,
): Record<string, unknown> | { why: string; instead?: string } {
  const spec = job.at('spec');
  const pod = spec.at('template', 'spec');
  const containers = pod.at('containers').items();
  const [container] = containers;
  if (!container || containers.length > 1) return { why: 'the Job of a metric has one container' };
  const variables = container.at('env').items().filter(isConvertible);
  const texts = {
    image: container.at('image').text(),
    command: list(container.at('command')),
    args: list(container.at('args')),
    env: variables.map(variable),
  };
  const resolved = resolveTexts(texts, values);
  if (resolved === undefined) return FAILED;
  reportJob(job, spec, pod, container);
  const resources = container.at('resources');
  return {
    job: {
      ...resolved,
      resources: resources.whole(),
      timeout: spec.at('activeDeadlineSeconds').duration(),
    },
  };
}

/** Replaces the arguments in all texts. Undefined if one has no value: a Job has no placeholders. */
function resolveTexts<T>(value: T, values: Arguments): T | undefined {
  let isResolved = true;
  const resolve = (_: string, part: unknown) => {
    if (typeof part !== 'string') return part;
    const text = values.resolve(part);
    isResolved &&= text !== undefined && !text.includes('{{');
    return text;
  };
  const resolved = JSON.parse(JSON.stringify(value, resolve)) as T;
  return isResolved ? resolved : undefined;
}

function list(words: Field): string[] | undefined {
  return words.isGiven ? words.items().map((word) => word.text() ?? '') : undefined;
}

function isConvertible(variable: Field): boolean {
  const source = variable.at('valueFrom');
  if (!source.isGiven || source.at('secretKeyRef').isGiven) return true;
  variable.note('NotConverted', 'values come from Secrets, or are literal', 'set a literal value');
  return false;
}

function variable(field: Field): Record<string, unknown> {
  const name = field.at('name').text();
  const secret = field.at('valueFrom', 'secretKeyRef');
  if (!secret.isGiven) return { name, value: field.at('value').text() ?? '' };
  return {
    name,
    valueFrom: { secretKeyRef: { name: secret.at('name').text(), key: secret.at('key').text() } },
  };
}

function reportJob(job: Field, spec: Field, pod: Field, container: Field): void {
  const backoff = spec.at('backoffLimit');
  if (backoff.value === 0) backoff.note('NotNeeded', 'the Job of a metric is not retried');
  else backoff.note('NotConverted', 'the Job of a metric is not retried', 'set failureLimit');
  pod.at('restartPolicy').note('NotNeeded', 'the Job of a metric is not retried');
  container.at('name').note('NotNeeded', 'the operator names the container');
  job.at('metadata').note('NotConverted', 'the operator sets the metadata of the Job');
}
