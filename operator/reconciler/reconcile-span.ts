import { addSpanAttributes, inChildSpan, inSpan, isTracing } from '../../contract/tracing/tracing.js';
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import type { RequestTarget } from '../runtime/kube-client.js';
import { partsOf } from '../runtime/store.js';
import type { Caches } from './caches.js';

/** Runs the reconcile of a PcfApi in the root span of a trace, which ends with the reason in its status. */
export function inReconcileSpan<T>(
  key: string,
  caches: { pcfApis: Pick<Caches['pcfApis'], 'get'> },
  reconcile: () => Promise<T>,
): Promise<T> {
  if (!isTracing()) return reconcile();
  const [namespace, name] = partsOf(key);
  const current = () => caches.pcfApis.get(namespace, name) as PcfApi | undefined;
  const { generation } = current()?.metadata ?? {};
  const attributes = {
    'k8s.namespace.name': namespace,
    'pcf.name': name,
    ...(generation !== undefined && { 'pcf.generation': generation }),
  };
  return inSpan('reconcile PcfApi', { attributes }, async () => {
    try {
      return await reconcile();
    } finally {
      const { reason } = current()?.status ?? {};
      if (reason) addSpanAttributes({ 'pcf.reason': reason });
    }
  });
}

/** Runs a request to the API server in a child span of the reconcile. */
export function inRequestSpan<T>(
  { verb, type, subresource }: RequestTarget,
  send: () => Promise<T>,
): Promise<T> {
  if (!isTracing()) return send();
  const attributes = {
    'k8s.request.verb': verb,
    'k8s.request.kind': type.kind,
    ...(subresource && { 'k8s.request.subresource': subresource }),
  };
  const resource = subresource ? `${type.kind}/${subresource}` : type.kind;
  return inChildSpan(`${verb} ${resource}`, { kind: 'client', attributes }, send);
}
