/**
 * Looks on while things happen, and holds what it sees against what the design promises at
 * every moment. Its caches are not those of the operator, and not of one moment: what is
 * wrong counts when it stays so for longer than it may take to be put right.
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
/** Kinds whose objects the operator writes, and nobody else makes or changes the spec of. */
export const WRITTEN: readonly ResourceType[] = [
  VirtualServiceKind,
  DeploymentKind,
  ControllerRevisionKind,
  JobKind,
];

/** What an operator that leads needs to look and write, on a machine that is busy. */
const GRACE_MS = 2_000;
const LOOK_EVERY_MS = 250;

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
  /** Promises that were broken, and when first. */
  readonly broken = new Map<string, string>();
  /** Reasons that the status had. */
  readonly reasons = new Set<string>();
  /** Ready pods there were, at the fewest, since {@link countReady}. */
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
    for (const cache of caches) cache.on(() => this.look());
    const looking = setInterval(() => this.look(), LOOK_EVERY_MS);
    this.stopping.signal.addEventListener('abort', () => clearInterval(looking));
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** While there is no operator that may write, nothing can be put right. */
  async excuse<T>(work: () => Promise<T>): Promise<T> {
    this.excused += 1;
    try {
      return await work();
    } finally {
      this.excused -= 1;
      this.wrongSince.clear();
    }
  }

  /** Resolves, as soon as an object of the kind is made or changed, with whether one was in time. */
  nextWrite(kind: ResourceType, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      this.caches.get(kind)!.on(({ object, old }) => {
        if (
          object.metadata.generation !== undefined &&
          object.metadata.generation === old?.metadata.generation
        )
          return; // somebody's status
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  /** Counts again. */
  countReady(): void {
    this.fewestReady = Number.POSITIVE_INFINITY;
  }

  api(): PcfApi | undefined {
    const found = this.list(PcfApiKind).find(({ metadata }) => metadata.name === this.name);
    return found as PcfApi | undefined;
  }

  /** Serving pods that are ready and not on their way out; of one revision, or of all. */
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

  /** The rules of every route there is, ours or the user's own. */
  rules(): Http[] {
    return this.list(VirtualServiceKind).flatMap(
      ({ spec }) => (spec as { http?: Http[] } | undefined)?.http ?? [],
    );
  }

  private list<T extends KubeObject = KubeObject>(kind: ResourceType): T[] {
    return this.caches.get(kind)!.list() as T[];
  }

  private look(): void {
    this.fewestReady = Math.min(this.fewestReady, this.ready().length);
    const { reason } = this.api()?.status ?? {};
    if (reason) this.reasons.add(reason);
    const now = performance.now();
    const wrong = new Set([...this.unreachable(), ...this.unexplained(), ...this.tooFew()]);
    for (const what of this.wrongSince.keys()) if (!wrong.has(what)) this.wrongSince.delete(what);
    for (const what of wrong) {
      const since = this.wrongSince.get(what) ?? now;
      this.wrongSince.set(what, since);
      if (this.excused === 0 && now - since > GRACE_MS) this.note(what);
    }
    // A route is written in one piece: there is no moment in which this may be.
    for (const { route } of this.rules()) {
      const sum = route.reduce((total, { weight = 100 }) => total + weight, 0);
      if (sum !== 100) this.note(`a route's weights add up to ${sum}`);
    }
  }

  private note(what: string): void {
    if (!this.broken.has(what)) this.broken.set(what, new Date().toISOString().slice(11, 23));
  }

  /** No share, no header and no copies for a revision with no ready pod behind the Service. */
  private unreachable(): string[] {
    const endpoints = new Set(
      this.list<EndpointSlice>(EndpointSliceKind).flatMap(({ endpoints }) =>
        (endpoints ?? []).flatMap(({ conditions, targetRef }) =>
          conditions?.ready ? (targetRef?.name ?? []) : [],
        ),
      ),
    );
    const asked = this.rules().flatMap(({ route, mirrors = [] }) => [...route, ...mirrors]);
    return asked.flatMap(({ destination: { subset }, weight = 100 }) => {
      if (!subset || weight === 0) return [];
      const reachable = this.ready(subset).some(({ metadata }) => endpoints.has(metadata.name));
      return reachable ? [] : [`${subset} is asked, and no pod of it is ready`];
    });
  }

  /** Never stuck without a reason. */
  private unexplained(): string[] {
    const { phase, reason, conditions } = this.api()?.status ?? {};
    const said = conditions?.find(({ type }) => type === 'Ready')?.message;
    return phase === undefined || (reason && said) ? [] : [`${phase}, and no reason is given`];
  }

  /** Both revisions together are never asked for fewer pods than the spec promises. */
  private tooFew(): string[] {
    const { spec, status } = this.api() ?? {};
    if (!spec || spec.paused || !status?.delivery?.stable) return [];
    const { maxUnavailable = 0 } = spec.strategy?.rollingUpdate ?? {};
    const less = spec.strategy?.type === 'RollingUpdate' ? Number(maxUnavailable) : 0;
    const promised = (spec.replicas ?? 1) - less;
    const asked = this.deployments().reduce((sum, { spec: of }) => sum + (of?.replicas ?? 0), 0);
    return asked < promised ? [`${promised} pods are promised, and ${asked} are asked for`] : [];
  }
}
