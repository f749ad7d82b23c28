import { type SentinelConnectionOptions, SentinelConnector } from 'ioredis';

/**
 * Follows every failover. The connector of ioredis stays subscribed to the failovers of its previous
 * connection until the next one is open; one that is announced in between stops the attempt, and the
 * client ends instead of trying again. Here, a new attempt first drops the previous subscription.
 */
export class FailoverSafeConnector extends SentinelConnector {
  // ioredis declares the options of connectors as unknown.
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions);
  }

  override connect(
    ...[emit]: Parameters<SentinelConnector['connect']>
  ): ReturnType<SentinelConnector['connect']> {
    this.disconnect();
    return super.connect(emit);
  }
}
