import { type SentinelConnectionOptions, SentinelConnector } from 'ioredis';

/**
 * The connector of ioredis stays subscribed to the failovers of its previous connection until the next one is
 * open. A failover that is announced in between aborts the attempt, and the client ends without a retry. This
 * connector drops the previous subscription before an attempt.
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
