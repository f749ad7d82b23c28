/** Fields of routing objects that the gateway supports. */
import type { KubeObject } from '../../operator/runtime/kube-client.js';

export interface VirtualService extends KubeObject {
  spec: {
    hosts?: string[];
    http?: {
      match?: {
        headers?: Record<string, { exact?: string; regex?: string }>;
        uri?: { exact?: string; prefix?: string };
      }[];
      route: {
        destination: { host: string; subset?: string };
        weight?: number;
        headers?: { response?: { add?: Record<string, string> } };
      }[];
      mirrors?: { destination: { host: string; subset?: string }; percentage?: { value: number } }[];
    }[];
  };
}

export interface DestinationRule extends KubeObject {
  spec: { host: string; subsets?: { name: string; labels: Record<string, string> }[] };
}

export interface HttpRoute extends KubeObject {
  spec: {
    hostnames?: string[];
    rules?: {
      matches?: { headers?: { type?: string; name: string; value: string }[]; path?: { value?: string } }[];
      backendRefs?: {
        name: string;
        namespace?: string;
        weight?: number;
        filters?: { type: string; responseHeaderModifier?: { add?: { name: string; value: string }[] } }[];
      }[];
      filters?: {
        type: string;
        requestMirror?: { backendRef: { name: string; namespace?: string }; percent?: number };
      }[];
    }[];
  };
}

export interface EndpointSlice extends KubeObject {
  endpoints?: {
    addresses: string[];
    conditions?: { ready?: boolean };
    targetRef?: { name?: string };
  }[];
  ports?: { name?: string; port?: number }[];
}

/** A weighted destination: a Service, restricted to pods with these labels. */
export interface Destination {
  namespace: string;
  service: string;
  labels: Record<string, string>;
  weight: number;
  /** Headers that the gateway adds to its responses. */
  responseHeaders?: [name: string, value: string][];
}

export interface Rule {
  /** All of these headers must match: a text exactly, an expression the whole value. */
  headers: Record<string, string | RegExp>;
  /** Path prefix, whole segments only; empty: all paths. */
  path: string;
  destinations: Destination[];
  /** Destinations of mirrored requests, with the percentage as weight. */
  mirrors?: Destination[];
}

export interface Route {
  /** `namespace/name` of the object. */
  key: string;
  hosts: string[];
  rules: Rule[];
}
