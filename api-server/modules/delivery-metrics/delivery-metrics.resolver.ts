import type { GraphQLResolveInfo } from 'graphql';
import { Args, Info, Query, Resolver } from 'type-graphql';
import type { DataSource } from '../../database/pool/data-source.js';
import { badUserInput } from '../../errors.js';
import { AllowRead } from '../../graphql/access.js';
import { Cached } from '../../graphql/cache/cacheable.js';
import { uuidOf } from '../../graphql/relay/global-id.js';
import { selectedFields } from '../../graphql/relay/selection.js';
import { type BucketRange, bucketsIn, daysIn } from './buckets.js';
import {
  type DeploymentFigures,
  deploymentFigures,
  type MetricsScope,
  type RestoreFigures,
  restoreFigures,
} from './delivery-metrics.queries.js';
import {
  DeliveryBucket,
  DeliveryFigures,
  DeliveryMetrics,
  DeliveryMetricsArgs,
} from './delivery-metrics.types.js';

const MAX_BUCKETS = 1_000;

@Resolver()
export class DeliveryMetricsResolver {
  constructor(private readonly dataSource: DataSource) {}

  @AllowRead()
  @Cached(60)
  @Query(() => DeliveryMetrics, {
    complexity: 200,
    description:
      'DORA metrics of a time range: deployment frequency, lead time for changes, change failure rate, time to restore service, and rollback frequency.',
  })
  async deliveryMetrics(
    @Args(() => DeliveryMetricsArgs) args: DeliveryMetricsArgs,
    @Info() info: GraphQLResolveInfo,
  ): Promise<DeliveryMetrics> {
    const { from, to, bucket } = args;
    if (from >= to) throw badUserInput({ field: 'to', message: 'must be later than from' });
    const ranges = bucketsIn(from, to, bucket, MAX_BUCKETS);
    if (!ranges) {
      throw badUserInput({
        field: 'bucket',
        message: `yields more than ${MAX_BUCKETS} buckets; use a larger bucket or a shorter time range`,
      });
    }
    const scope = scopeOf(args);
    const selected = [...selectedFields(info, 'total'), ...selectedFields(info, 'buckets')];
    const [deployments, restores] = await Promise.all([
      deploymentFigures(this.dataSource, scope),
      selected.some((name) => name.startsWith('timeToRestore')) ? restoreFigures(this.dataSource, scope) : [],
    ]);
    return assemble({ from, to }, ranges, deployments, restores);
  }
}

function scopeOf({ service, environment, from, to, bucket }: DeliveryMetricsArgs): MetricsScope {
  return {
    ...(service != null && { serviceId: uuidOf('Service', service, 'service') }),
    ...(environment != null && { environment }),
    from,
    to,
    bucket,
  };
}

function assemble(
  whole: { from: Date; to: Date },
  ranges: BucketRange[],
  deployments: readonly DeploymentFigures[],
  restores: readonly RestoreFigures[],
): DeliveryMetrics {
  const byStart = new Map(deployments.map((row) => [row.start, row]));
  const restoresByStart = new Map(restores.map((row) => [row.start, row]));
  const figuresAt = (start: number | null, range: { from: Date; to: Date }) =>
    figures(byStart.get(start), restoresByStart.get(start), daysIn(range));
  const buckets = ranges.map(({ start, from, to }) =>
    Object.assign(new DeliveryBucket(), { from, to }, figuresAt(start, { from, to })),
  );
  const total = Object.assign(new DeliveryFigures(), figuresAt(null, whole));
  return Object.assign(new DeliveryMetrics(), { ...whole, total, buckets });
}

function figures(
  row: DeploymentFigures | undefined,
  restore: RestoreFigures | undefined,
  days: number,
): DeliveryFigures {
  const { deployments = 0, succeeded = 0, failed = 0, rolledBack = 0, badChanges = 0 } = row ?? {};
  return {
    deployments,
    succeeded,
    failed,
    rolledBack,
    deploymentFrequency: succeeded / days,
    leadTimeP50: row?.leadTimeP50 ?? null,
    leadTimeP90: row?.leadTimeP90 ?? null,
    changeFailureRate: deployments > 0 ? badChanges / deployments : null,
    timeToRestoreP50: restore?.timeToRestoreP50 ?? null,
    timeToRestoreP90: restore?.timeToRestoreP90 ?? null,
    rollbackFrequency: rolledBack / days,
  };
}
