/**
 * Observes the cluster during the chaos test and records violated guarantees. Its caches differ
 * from the operator's and from each other, so a violation counts only if it lasts longer than the
 * operator needs to repair it.
 */
import { pino } from 'pino';
import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import type { EndpointSlice, Pod } from '../../operator/reconciler/pod-state.js';
import {
  ControllerRevisionKind,
  DeploymentKind,
  EndpointSliceKind,
  JobKind,
  PcfApiKind,
  PodKind,
  VirtualServiceKind,
} from '../../operator/resources/kinds.js';
import { LABELS } from '../../operator/resources/metadata.js';
import type { KubeClient, KubeObject, ResourceType } from '../../operator/runtime/kube-client.js';
import { ResourceCache } from '../../operator/runtime/resource-cache.js';

const KINDS = [
  ...[PcfApiKind, VirtualServiceKind, DeploymentKind, ControllerRevisionKind, JobKind],
  ...[PodKind, EndpointSliceKind],
];
/** Kinds whose objects only the operator creates and whose specs only it changes. */
export const WRITTEN: readonly ResourceType[] = [
  VirtualServiceKind,
  DeploymentKind,
  ControllerRevisionKind,
  JobKind,
];

/** Time that a leading operator needs to read and write on a busy machine. */
const GRACE_MS = 2_000;
const OBSERVE_INTERVAL_MS = 250;

interface Destination {
  destination: { subset?: string };
  weight?: number;
}
interface Http {
  name?: string;
  route: Destination[];
  mirrors?: Destination[];
}

export class Watchdog {
  /** Violated guarantees, with the time of their first violation. */
  readonly violations = new Map<string, string>();
  /** All reasons that the status has had. */
  readonly reasons = new Set<string>();
  /** Smallest number of ready pods since {@link countReady}. */
  fewestReady = Number.POSITIVE_INFINITY;
  private readonly caches: Map<ResourceType, ResourceCache>;
  private readonly stopping = new AbortController();
  private readonly wrongSince = new Map<string, number>();
  private running: Promise<unknown> = Promise.resolve();
  private excused = 0;

  constructor(
    client: KubeClient,
    namespace: string,
    private readonly name: string,
  ) {
    const logger = pino({ level: 'silent' });
    const options = { namespaces: [namespace] };
    this.caches = new Map(KINDS.map((kind) => [kind, new ResourceCache(kind, client, logger, options)]));
  }

  async start(): Promise<void> {
    const caches = [...this.caches.values()];
    this.running = Promise.all(caches.map((cache) => cache.run(this.stopping.signal)));
    await Promise.all(caches.map((cache) => cache.synced));
    for (const cache of caches) cache.on(() => this.observe());
    const looking = setInterval(() => this.observe(), OBSERVE_INTERVAL_MS);
    this.stopping.signal.addEventListener('abort', () => clearInterval(looking));
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** Ignores violations while `work` runs, because no operator can write then. */
  async excuse<T>(work: () => Promise<T>): Promise<T> {
    this.excused += 1;
    try {
      return await work();
    } finally {
      this.excused -= 1;
      this.wrongSince.clear();
    }
  }

  /** Resolves with true when an object of the kind is created or changed, or with false after the timeout. */
  nextWrite(kind: ResourceType, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      this.caches.get(kind)!.on(({ object, old }) => {
        if (
          object.metadata.generation !== undefined &&
          object.metadata.generation === old?.metadata.generation
        )
          return; // a status update
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  /** Resets {@link fewestReady}. */
  countReady(): void {
    this.fewestReady = Number.POSITIVE_INFINITY;
  }

  api(): PcfApi | undefined {
    const found = this.list(PcfApiKind).find(({ metadata }) => metadata.name === this.name);
    return found as PcfApi | undefined;
  }

  /** Serving pods that are ready and not terminating, of one revision or of all. */
  ready(revision?: string): Pod[] {
    return this.serving(revision).filter(
      ({ metadata, status }) =>
        !metadata.deletionTimestamp &&
        status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
    );
  }

  serving(revision?: string): Pod[] {
    return this.list<Pod>(PodKind).filter(
      ({ metadata: { labels = {} } }) =>
        labels[LABELS.component] === 'api' && (!revision || labels[LABELS.revision] === revision),
    );
  }

  deployments(): (KubeObject & { spec?: { replicas?: number } })[] {
    return this.list(DeploymentKind).filter(({ metadata }) => metadata.labels?.[LABELS.revision]);
  }

  /** The rules of every route, including the user's own. */
  rules(): Http[] {
    return this.list(VirtualServiceKind).flatMap(
      ({ spec }) => (spec as { http?: Http[] } | undefined)?.http ?? [],
    );
  }

  private list<T extends KubeObject = KubeObject>(kind: ResourceType): T[] {
    return this.caches.get(kind)!.list() as T[];
  }

  private observe(): void {
    this.fewestReady = Math.min(this.fewestReady, this.ready().length);
    const { reason } = this.api()?.status ?? {};
    if (reason) this.reasons.add(reason);
    const now = performance.now();
    const wrong = new Set([...this.unreachable(), ...this.unexplained(), ...this.tooFew()]);
    for (const what of this.wrongSince.keys()) if (!wrong.has(what)) this.wrongSince.delete(what);
    for (const what of wrong) {
      const since = this.wrongSince.get(what) ?? now;
      this.wrongSince.set(what, since);
      if (this.excused === 0 && now - since > GRACE_MS) this.recordViolation(what);
    }
    // A route is written atomically, so its weights must always add up to 100.
    for (const { route } of this.rules()) {
      const sum = route.reduce((total, { weight = 100 }) => total + weight, 0);
      if (sum !== 100) this.recordViolation(`a route's weights add up to ${sum}`);
    }
  }

  private recordViolation(what: string): void {
    if (!this.violations.has(what)) this.violations.set(what, new Date().toISOString().slice(11, 23));
  }

  /** Revisions that receive a share, the header or copies without a ready pod in an EndpointSlice. */
  private unreachable(): string[] {
    const endpoints = new Set(
      this.list<EndpointSlice>(EndpointSliceKind).flatMap(({ endpoints }) =>
        (endpoints ?? []).flatMap(({ conditions, targetRef }) =>
          conditions?.ready ? (targetRef?.name ?? []) : [],
        ),
      ),
    );
    const destinations = this.rules().flatMap(({ route, mirrors = [] }) => [...route, ...mirrors]);
    return destinations.flatMap(({ destination: { subset }, weight = 100 }) => {
      if (!subset || weight === 0) return [];
      const reachable = this.ready(subset).some(({ metadata }) => endpoints.has(metadata.name));
      return reachable ? [] : [`${subset} receives requests, and no pod of it is ready`];
    });
  }

  /** A phase requires a reason and a message. */
  private unexplained(): string[] {
    const { phase, reason, conditions } = this.api()?.status ?? {};
    const message = conditions?.find(({ type }) => type === 'Ready')?.message;
    return phase === undefined || (reason && message) ? [] : [`${phase} without a reason or message`];
  }

  /** The desired pods of both revisions together must not be fewer than the spec requires. */
  private tooFew(): string[] {
    const { spec, status } = this.api() ?? {};
    if (!spec || spec.paused || !status?.delivery?.stable) return [];
    const { maxUnavailable = 0 } = spec.strategy?.rollingUpdate ?? {};
    const less = spec.strategy?.type === 'RollingUpdate' ? Number(maxUnavailable) : 0;
    const required = (spec.replicas ?? 1) - less;
    const desired = this.deployments().reduce((sum, { spec: of }) => sum + (of?.replicas ?? 0), 0);
    return desired < required ? [`${required} pods are required, and ${desired} are desired`] : [];
  }
}
