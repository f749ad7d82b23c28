/** Cause of a pending deletion, even if no operator runs that reports it. Pure. */
import { FINALIZER, type PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';

/** Lines to print; undefined if it is not being deleted. */
export function deletionLines({ metadata, status }: PcfApi): string[] | undefined {
  const { deletionTimestamp, finalizers = [], name, namespace } = metadata;
  if (!deletionTimestamp) return undefined;
  const since = `being deleted since ${deletionTimestamp}`;
  const others = finalizers.filter((finalizer) => finalizer !== FINALIZER);
  if (others.length === finalizers.length)
    return [`${since}; waiting for the finalizers ${others.join(', ')}`];
  const patch = JSON.stringify({ metadata: { finalizers: others } });
  const wayOut = `if the operator is uninstalled, install it again, or remove the finalizer: kubectl patch pcf ${name} -n ${namespace} --type merge -p '${patch}'`;
  const reported = status?.conditions?.find(({ type }) => type === 'Ready')?.message;
  // The operator may have been uninstalled since it reported that.
  if (status?.phase === 'Deleting' && reported)
    return [reported, `the operator must run to remove the finalizer ${FINALIZER}`, wayOut];
  return [
    `${since}; waiting for the operator, which removes the routes and then the finalizer ${FINALIZER}`,
    'the operator has not reported the deletion: it must run to complete it',
    wayOut,
  ];
}
