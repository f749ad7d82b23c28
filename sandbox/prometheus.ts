/** Prometheus, if it is installed, which scrapes every pod with a port named `metrics`. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { request } from 'undici';
import { stringify } from 'yaml';
import type { KubeClient } from '../operator/runtime/kube-client.js';
import { ResourceCache } from '../operator/runtime/resource-cache.js';
import type { AddressBook } from './node/address-book.js';
import { PodKind } from './node/pod-worker.js';
import type { Pod } from './node/types.js';
import type { Ledger } from './process/ledger.js';
import { ManagedProcess, untilReady } from './process/managed-process.js';
import { freePorts } from './process/ports.js';
import { within } from './process/within.js';

/** Short, so that scenarios do not wait for samples; 30 s in a cluster. */
const SCRAPE_INTERVAL = '500ms';
const METRICS_PORT = 'metrics';

export interface PrometheusServer {
  url: string;
  stop(): Promise<void>;
}

interface PrometheusOptions {
  stateDir: string;
  ledger: Ledger;
  logger: Logger;
  client: KubeClient;
  /** Real addresses of pod ports. */
  addresses: AddressBook;
}

/** Starts it without data; undefined if prometheus is not on the PATH. */
export async function startPrometheus(options: PrometheusOptions): Promise<PrometheusServer | undefined> {
  if (!hasPrometheus()) return undefined;
  const { stateDir, ledger } = options;
  const folder = join(stateDir, 'prometheus');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const targets = new ScrapeTargets(join(folder, 'targets.json'), options);
  await targets.start();
  const port = (await freePorts(1))[0]!;
  const url = `http://127.0.0.1:${port}`;
  const server = new ManagedProcess(
    {
      name: 'prometheus',
      command: 'prometheus',
      args: [
        `--config.file=${writeConfig(folder, targets.file)}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      cwd: folder,
      logFile: join(stateDir, 'logs', 'prometheus.log'),
    },
    ledger,
  );
  server.start();
  await untilReady('prometheus', server, async () => {
    const { statusCode, body } = await request(`${url}/-/ready`);
    await body.dump();
    return statusCode === 200;
  });
  return {
    url,
    stop: async () => {
      await targets.stop();
      await server.stop();
    },
  };
}

export function hasPrometheus(): boolean {
  try {
    execFileSync('prometheus', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function writeConfig(folder: string, targets: string): string {
  const file = join(folder, 'prometheus.yaml');
  const global = { scrape_interval: SCRAPE_INTERVAL, scrape_timeout: SCRAPE_INTERVAL };
  const pods = { job_name: 'pods', file_sd_configs: [{ files: [targets] }] };
  writeFileSync(file, stringify({ global, scrape_configs: [pods] }));
  return file;
}

/** Updates the target file of Prometheus, which watches it. */
class ScrapeTargets {
  private readonly pods: ResourceCache;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private written = '';

  constructor(
    readonly file: string,
    private readonly options: Pick<PrometheusOptions, 'client' | 'logger' | 'addresses'>,
  ) {
    this.pods = new ResourceCache(PodKind, options.client, options.logger);
    this.pods.on(() => this.write());
  }

  async start(): Promise<void> {
    this.running = this.pods.run(this.stopping.signal);
    await within('the pods to scrape are listed', this.pods.synced);
    this.write();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private write(): void {
    const groups = this.pods.list().flatMap((pod) => targetOf(pod as Pod, this.options.addresses) ?? []);
    const text = JSON.stringify(groups, null, 2);
    if (text === this.written) return;
    this.written = text;
    // Prometheus would read a partially written file as one without targets.
    writeFileSync(`${this.file}.new`, text);
    renameSync(`${this.file}.new`, this.file);
  }
}

/** Undefined for a pod without metrics or without a running process. Labels are those of a ServiceMonitor. */
function targetOf({ metadata, spec, status }: Pod, addresses: AddressBook) {
  const ports = spec.containers.flatMap((container) => container.ports ?? []);
  const metrics = ports.find(({ name }) => name === METRICS_PORT);
  const port = metrics && addresses.localPort(String(status?.podIP), metrics.containerPort);
  if (!port || status?.phase !== 'Running') return undefined;
  const { namespace = '', name: pod, labels = {} } = metadata;
  const own = Object.entries(labels).map(([key, value]) => [key.replaceAll(/\W/g, '_'), value]);
  return { targets: [`127.0.0.1:${port}`], labels: { namespace, pod, ...Object.fromEntries(own) } };
}
