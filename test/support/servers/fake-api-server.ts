/**
 * A small API server for one kind, over real HTTP, that can simulate failures which a real API
 * server has only under load, during an upgrade or on an unreliable network.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-client.js';
import { keyOf, versionOf } from '../../../operator/runtime/store.js';

export type FakeOperation =
  | 'list'
  | 'watch'
  | 'watchList'
  | 'get'
  | 'create'
  | 'replace'
  | 'patch'
  | 'delete';

export interface FakeRequest {
  operation: FakeOperation;
  path: string;
  query: URLSearchParams;
  body?: KubeObject;
  at: number;
}

/** A response that replaces the correct one. */
interface ScriptedAnswer {
  operation: FakeOperation;
  status: number;
  retryAfterSeconds?: number;
  /** Sent as an ERROR event in a watch with status 200. */
  inStream?: boolean;
}

/** Status, and the object unless the request is rejected. */
type Answer = [status: number, object?: KubeObject];

interface LogEntry {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: KubeObject;
}

const operations: Record<string, FakeOperation> = {
  GET: 'get',
  POST: 'create',
  PUT: 'replace',
  PATCH: 'patch',
  DELETE: 'delete',
};

export class FakeApiServer {
  /** Every request, including those without a response. */
  readonly requests: FakeRequest[] = [];
  /** Supports sendInitialEvents (WatchList, KEP-3157); rejects it while false. */
  watchList = false;
  /** Number of initial event streams that end before the bookmark. */
  cutInitialEvents = 0;
  /** These streams stay open instead. */
  muteInitialEvents = false;
  /** Continue tokens beyond this number of objects fail with 410. */
  expirePagesAfter = Number.POSITIVE_INFINITY;
  /** Every request fails with 404 while false. */
  installed = true;
  /** `refusing` closes every connection without a response, `hanging` never responds. */
  mode: 'up' | 'refusing' | 'hanging' = 'up';
  /** Response to a list from the watch cache (resourceVersion=0). Undefined: the current objects. */
  staleList: { version: number; items: KubeObject[] } | undefined;

  private readonly objects = new Map<string, KubeObject>();
  private readonly server = createServer((request, response) => void this.serve(request, response));
  private readonly watches = new Set<ServerResponse>();
  private readonly scripted: ScriptedAnswer[] = [];
  private log: LogEntry[] = [];
  private version = 100;
  private oldestVersion = 0;

  constructor(private readonly type: ResourceType) {}

  /** Starts to listen, and returns a kubeconfig for this server. */
  async listen(): Promise<KubeConfig> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    const { port } = this.server.address() as AddressInfo;
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromOptions({
      // client-node accepts plain HTTP only with skipTLSVerify.
      clusters: [{ name: 'fake', server: `http://127.0.0.1:${port}`, skipTLSVerify: true }],
      users: [{ name: 'fake' }],
      contexts: [{ name: 'fake', cluster: 'fake', user: 'fake' }],
      currentContext: 'fake',
    });
    return kubeConfig;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  get openWatches(): number {
    return this.watches.size;
  }

  get(key: string): KubeObject | undefined {
    return this.objects.get(key);
  }

  /** Creates or changes an object as another client would, and sends an event to the watches. */
  put(object: KubeObject): KubeObject {
    const known = this.objects.get(keyOf(object));
    this.version += 1;
    const uid = known?.metadata.uid ?? `uid-${this.version}`;
    const stored = {
      ...object,
      metadata: { ...object.metadata, uid, resourceVersion: String(this.version) },
    };
    this.objects.set(keyOf(object), stored);
    this.publish({ type: known ? 'MODIFIED' : 'ADDED', object: stored });
    return stored;
  }

  remove(key: string): KubeObject {
    const known = this.objects.get(key);
    if (!known) throw new Error(`${key} does not exist`);
    this.objects.delete(key);
    this.version += 1;
    const object = { ...known, metadata: { ...known.metadata, resourceVersion: String(this.version) } };
    this.publish({ type: 'DELETED', object });
    return object;
  }

  /** The next `times` requests of this operation receive this response. */
  fail(answer: ScriptedAnswer, times = 1): void {
    for (let i = 0; i < times; i++) this.scripted.push(answer);
  }

  /** Removes the history like etcd's compaction: a watch from an older version fails with 410. */
  compact(): void {
    this.version += 1;
    this.oldestVersion = this.version;
    this.log = [];
  }

  /** Breaks the connection of every watch. */
  cutWatches(): void {
    for (const watch of this.watches) watch.destroy();
    this.watches.clear();
  }

  /** Keeps every watch open, but sends no more events on it. */
  muteWatches(): void {
    this.watches.clear();
  }

  /** Sends an unmodified line to every watch. */
  sendRaw(line: string | Uint8Array): void {
    for (const watch of this.watches) watch.write(line);
  }

  /** Sends a bookmark with the newest version to every watch. */
  sendBookmark(): void {
    const metadata = { name: '', resourceVersion: String(this.version) };
    this.sendRaw(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata } })}\n`);
  }

  count(operation: FakeOperation): number {
    return this.requests.filter((request) => request.operation === operation).length;
  }

  private publish(entry: LogEntry): void {
    this.log.push(entry);
    this.sendRaw(`${JSON.stringify(entry)}\n`);
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://fake');
    const method = request.method ?? 'GET';
    const isCollection = method === 'GET' && pathname.endsWith(`/${this.type.plural}`);
    const watchOperation = query.get('sendInitialEvents') === 'true' ? 'watchList' : 'watch';
    const collectionOperation = query.get('watch') === 'true' ? watchOperation : 'list';
    const operation = isCollection ? collectionOperation : operations[method]!;
    const text = (await request.toArray()).join('');
    const body = text ? (JSON.parse(text) as KubeObject) : undefined;
    this.requests.push({ operation, path: pathname, query, body, at: performance.now() });
    if (this.mode === 'hanging') return;
    if (this.mode === 'refusing') return void request.socket.destroy();
    const scripted = this.takeScripted(operation);
    if (scripted?.inStream) return this.failInStream(response, scripted.status);
    if (scripted) return refuse(response, scripted.status, scripted.retryAfterSeconds);
    if (!this.installed) return refuse(response, 404);
    if (operation === 'list') return this.list(response, query);
    if (operation === 'watchList') return this.streamList(response);
    if (operation === 'watch') return this.watch(response, Number(query.get('resourceVersion') ?? 0));
    const [status, object] = this.single(operation, this.keyIn(pathname), body);
    if (object) reply(response, status, object);
    else refuse(response, status);
  }

  private takeScripted(operation: FakeOperation): ScriptedAnswer | undefined {
    const index = this.scripted.findIndex((answer) => answer.operation === operation);
    return index < 0 ? undefined : this.scripted.splice(index, 1)[0];
  }

  private keyIn(path: string): string {
    const [, namespace, plural, name] = /\/namespaces\/([^/]+)\/([^/]+)(?:\/([^/]+))?/.exec(path) ?? [];
    if (plural === this.type.plural) return name ? `${namespace}/${name}` : '';
    return path.split('/').at(-1) ?? '';
  }

  private list(response: ServerResponse, query: URLSearchParams): void {
    const stale = query.get('resourceVersion') === '0' ? this.staleList : undefined;
    const { version, items } = stale ?? { version: this.version, items: [...this.objects.values()] };
    // The API server omits apiVersion and kind in the items of a list.
    const bare = items.map(({ apiVersion: _version, kind: _kind, ...item }) => item);
    const from = Number(query.get('continue') ?? 0);
    if (from > this.expirePagesAfter) {
      refuse(response, 410);
      return;
    }
    const to = from + Number(query.get('limit') ?? bare.length);
    const metadata = {
      resourceVersion: String(version),
      continue: to < bare.length ? String(to) : undefined,
    };
    reply(response, 200, { metadata, items: bare.slice(from, to) });
  }

  private streamList(response: ServerResponse): void {
    if (!this.watchList) {
      refuse(response, 422);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    for (const object of this.objects.values())
      response.write(`${JSON.stringify({ type: 'ADDED', object })}\n`);
    if (this.cutInitialEvents-- > 0) {
      if (!this.muteInitialEvents) response.end();
      return;
    }
    const annotations = { 'k8s.io/initial-events-end': 'true' };
    const metadata = { name: '', resourceVersion: String(this.version), annotations };
    response.write(`${JSON.stringify({ type: 'BOOKMARK', object: { metadata } })}\n`);
    this.watches.add(response);
    response.on('close', () => this.watches.delete(response));
  }

  private watch(response: ServerResponse, since: number): void {
    if (since < this.oldestVersion) {
      refuse(response, 410);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    for (const entry of this.log) {
      if (versionOf(entry.object) > since) response.write(`${JSON.stringify(entry)}\n`);
    }
    this.watches.add(response);
    response.on('close', () => this.watches.delete(response));
  }

  private failInStream(response: ServerResponse, code: number): void {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(
      `${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code, message: 'simulated error' } })}\n`,
    );
  }

  private single(operation: FakeOperation, key: string, body?: KubeObject): Answer {
    const known = this.objects.get(operation === 'create' && body ? keyOf(body) : key);
    if (operation === 'create') return body && !known ? [201, this.put(body)] : [409];
    if (operation === 'patch' && body) {
      if (!known && !body.kind) return [404];
      const metadata = { ...known?.metadata, ...body.metadata };
      return [200, this.put({ ...known, ...body, metadata })];
    }
    if (!known) return [404];
    if (operation === 'get') return [200, known];
    if (operation === 'delete') return [200, this.remove(key)];
    const isCurrent = body?.metadata.resourceVersion === known.metadata.resourceVersion;
    return body && isCurrent ? [200, this.put(body)] : [409];
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function refuse(response: ServerResponse, code: number, retryAfterSeconds?: number): void {
  if (retryAfterSeconds !== undefined) response.setHeader('retry-after', String(retryAfterSeconds));
  reply(response, code, { kind: 'Status', code, reason: 'Simulated', message: `simulated status ${code}` });
}
