/** The pages that the operator serves: the dashboard and approval links. Standbys serve them too. */
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { LinkKeys } from './approvals/keys.js';
import { LinkService } from './approvals/link-service.js';
import { ApprovalServer } from './approvals/server.js';
import { DashboardServer } from './dashboard/server.js';
import { CacheSource } from './dashboard/source.js';
import { tokenReviewGate } from './dashboard/token-review.js';
import type { Caches } from './reconciler/caches.js';
import { REQUEST_ANNOTATIONS } from './reconciler/strategies.js';
import type { KubeClient } from './runtime/kube-client.js';
import type { OperatorSettings } from './settings.js';

/** Clients send tokens to the dashboard, which must not cross the network in plain text. */
const LOOPBACK = '127.0.0.1';

interface Parts {
  settings: OperatorSettings;
  reader: KubeClient;
  caches: Caches;
  logger: Logger;
}

/** A server of a page. */
export interface Page {
  listen(): Promise<unknown>;
  close(): Promise<void>;
}

/** The servers of the pages that the settings enable. */
export function createPages({ links, ...parts }: Parts & { links: LinkService | undefined }): Page[] {
  const { settings, logger } = parts;
  const { host, approvals } = settings;
  return [
    ...(settings.dashboardPort > 0 ? [createDashboard(parts)] : []),
    ...(approvals && links ? [new ApprovalServer({ ...approvals, service: links, host, logger })] : []),
  ];
}

/** A request with a link is an edit by a user, like one by kubectl: processes that do not own the PcfApi perform it, too. */
export function createLinks({
  settings: { approvals, leaseNamespace: namespace },
  ...parts
}: Omit<Parts, 'reader'> & { client: KubeClient; registry: Registry }): LinkService | undefined {
  if (!approvals) return undefined;
  const { client, caches, registry, logger } = parts;
  const { publicUrl, keySecret: name } = approvals;
  return new LinkService({
    ...{ publicUrl, client, pcfApis: caches.pcfApis, registry, logger },
    keys: new LinkKeys({ client, namespace, name, now: Date.now }),
    requests: REQUEST_ANNOTATIONS,
    now: Date.now,
  });
}

/** Read-only dashboard of the cached objects. */
function createDashboard({ settings, reader, caches: { pcfApis, pods } }: Parts): DashboardServer {
  return new DashboardServer({
    source: new CacheSource({ pcfApis, pods }),
    admit: tokenReviewGate(reader, settings.namespaces),
    host: LOOPBACK,
    port: settings.dashboardPort,
    names: [LOOPBACK, 'localhost'],
  });
}
