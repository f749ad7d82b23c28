/** Issues approval links, and performs their requests. */
import type { Logger } from 'pino';
import { Counter, type Registry } from 'prom-client';
import { APPROVAL_FIELD_MANAGER, type PcfApi } from '../api/v1alpha1/pcfapi.js';
import { deliveryId } from '../delivery/request-ids.js';
import type { ApprovalLinks, LinkSource } from '../notify/approval-links.js';
import type { DeliveryEvent } from '../notify/event.js';
import { PcfApiKind } from '../resources/kinds.js';
import { isConflict, type KubeClient, type KubeObject } from '../runtime/kube-client.js';
import type { ResourceCache } from '../runtime/resource-cache.js';
import { type ClosedLink, judgeLink, type OpenLink, type RequestNames } from './judge-link.js';
import type { LinkKeys } from './keys.js';
import { LINK_ACTIONS, type LinkClaims, signLink, verifyLink, WrongLinkError } from './token.js';

/** Annotations of requests. `decidedBy`: who promoted or aborted. */
export type LinkRequestNames = RequestNames & { decidedBy: string };

export interface LinkServiceOptions {
  /** URL of the page, without a slash at its end. */
  publicUrl: string;
  keys: Pick<LinkKeys, 'signer' | 'verifier'>;
  client: Pick<KubeClient, 'list' | 'patch'>;
  pcfApis: Pick<ResourceCache, 'list' | 'noteWrite'>;
  requests: LinkRequestNames;
  registry: Registry;
  logger: Pick<Logger, 'info' | 'warn'>;
  /** Milliseconds since the epoch, of the system clock. */
  now: () => number;
}

/** The request of the link was recorded. */
export interface AcceptedLink {
  state: 'Accepted';
  message: string;
}

/** Attempts at a write that other writes of the object overtake. */
const MAX_ATTEMPTS = 5;

export class LinkService implements LinkSource {
  private readonly uses: Counter<'action' | 'outcome'>;

  constructor(private readonly options: LinkServiceOptions) {
    this.uses = new Counter({
      name: 'pcf_approval_links_total',
      help: 'Requests with approval links by action and outcome: Accepted, Expired, Used, Blocked or Wrong.',
      labelNames: ['action', 'outcome'] as const,
      registers: [options.registry],
    });
  }

  /** The token is in the fragment, which browsers do not send: access logs and previews of links do not contain it. */
  async linksFor(
    api: PcfApi,
    { approval }: DeliveryEvent,
    webhook: string,
    signal: AbortSignal,
  ): Promise<ApprovalLinks | undefined> {
    if (!approval) return undefined;
    const { keys, publicUrl } = this.options;
    const key = await keys.signer(signal);
    const expiresAt = Math.floor(Date.parse(approval.linksExpireAt) / 1_000);
    const links = LINK_ACTIONS.map(async (action) => {
      const claims: LinkClaims = { uid: api.metadata.uid, approval: approval.id, action, webhook, expiresAt };
      return `${publicUrl}/#${await signLink(claims, key, publicUrl)}`;
    });
    const [approve, abort] = (await Promise.all(links)) as [string, string];
    return { approve, abort, expireAt: approval.linksExpireAt };
  }

  /** State of a link. Changes nothing. Throws a {@link WrongLinkError}. */
  async describeLink(token: string): Promise<OpenLink | ClosedLink> {
    const claims = await this.verify(token);
    return this.judge(this.cached(claims), claims);
  }

  /**
   * Performs the request of a link, if it is open. `user`: name from the authenticating proxy. Throws a
   * {@link WrongLinkError}.
   */
  async useLink(token: string, user: string | undefined): Promise<AcceptedLink | ClosedLink> {
    const claims = await this.verify(token);
    const result = await this.perform(claims, user ?? `the holder of the link to ${claims.webhook}`);
    this.uses.inc({ action: claims.action, outcome: result.state });
    return result;
  }

  private async verify(token: string): Promise<LinkClaims> {
    const { keys, publicUrl } = this.options;
    return verifyLink(token, (id) => keys.verifier(id), publicUrl).catch((error: unknown) => {
      if (error instanceof WrongLinkError) this.uses.inc({ action: 'unknown', outcome: 'Wrong' });
      throw error;
    });
  }

  /**
   * Each write names the version of the object that was judged. Of two concurrent requests one is overtaken: it judges
   * the object that the other one wrote.
   */
  private async perform(claims: LinkClaims, by: string): Promise<AcceptedLink | ClosedLink> {
    let api = this.cached(claims);
    for (let attempt = 1; ; attempt++) {
      const link = this.judge(api, claims);
      if (link.state !== 'Open') return link;
      try {
        this.options.pcfApis.noteWrite(await this.request(api!, claims, by));
        return this.accepted(link, by);
      } catch (error) {
        if (!isConflict(error) || attempt === MAX_ATTEMPTS) throw error;
        api = await this.read(api!);
      }
    }
  }

  private request({ metadata, status }: PcfApi, claims: LinkClaims, by: string): Promise<KubeObject> {
    const { requests, client } = this.options;
    const isAbort = claims.action === 'abort';
    const annotations = {
      [isAbort ? requests.abort : requests.promote]: isAbort
        ? deliveryId(status?.delivery ?? {})
        : claims.approval,
      [requests.decidedBy]: by,
    };
    const { namespace, name, resourceVersion } = metadata;
    const patch = { metadata: { resourceVersion, annotations } };
    return client.patch(PcfApiKind, namespace, name, patch, { fieldManager: APPROVAL_FIELD_MANAGER });
  }

  private accepted({ action, namespace, name, revision, step, of }: OpenLink, by: string): AcceptedLink {
    this.options.logger.info({ namespace, name, revision, action, by }, 'approval link used');
    return {
      state: 'Accepted',
      message:
        action === 'abort'
          ? `The abort of ${revision} was requested.`
          : `Step ${step} of ${of} of ${revision} was approved.`,
    };
  }

  private judge(api: PcfApi | undefined, claims: LinkClaims): OpenLink | ClosedLink {
    const { requests, now } = this.options;
    return judgeLink(api, claims, requests, now());
  }

  private cached({ uid }: LinkClaims): PcfApi | undefined {
    const found = this.options.pcfApis.list().find(({ metadata }) => metadata.uid === uid);
    return found as unknown as PcfApi | undefined;
  }

  private async read({ metadata }: PcfApi): Promise<PcfApi | undefined> {
    const { namespace, name, uid } = metadata;
    const query = { namespace, fieldSelector: `metadata.name=${name}` };
    const { items } = await this.options.client.list(PcfApiKind, query);
    return items.find((item) => item.metadata.uid === uid) as unknown as PcfApi | undefined;
  }
}
