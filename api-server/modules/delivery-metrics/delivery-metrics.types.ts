import { ArgsType, Field, Float, ID, Int, ObjectType, registerEnumType } from 'type-graphql';

export const MetricsBucket = { DAY: 'DAY', WEEK: 'WEEK', MONTH: 'MONTH' } as const;
export type MetricsBucket = (typeof MetricsBucket)[keyof typeof MetricsBucket];
registerEnumType(MetricsBucket, {
  name: 'MetricsBucket',
  description: 'Size of a bucket, in UTC.',
  valuesConfig: {
    DAY: { description: 'A calendar day in UTC.' },
    WEEK: { description: 'A calendar week in UTC, Monday to Sunday.' },
    MONTH: { description: 'A calendar month in UTC.' },
  },
});

@ObjectType({
  simpleResolvers: true,
  description:
    'DORA metrics of the deployments that finished and the incidents that were resolved in a time range.',
})
export class DeliveryFigures {
  @Field(() => Int, { description: 'Number of finished deployments, with any outcome.' })
  deployments!: number;

  @Field(() => Int, { description: 'Number of deployments with the outcome SUCCEEDED.' })
  succeeded!: number;

  @Field(() => Int, { description: 'Number of deployments with the outcome FAILED.' })
  failed!: number;

  @Field(() => Int, { description: 'Number of deployments with the outcome ROLLED_BACK.' })
  rolledBack!: number;

  @Field(() => Float, { description: 'Successful deployments per day.' })
  deploymentFrequency!: number;

  @Field(() => Float, {
    nullable: true,
    description:
      'Median lead time for changes in seconds: commit to successful deployment. Null when no commit time is known.',
  })
  leadTimeP50!: number | null;

  @Field(() => Float, {
    nullable: true,
    description:
      '90th percentile of the lead time for changes in seconds: commit to successful deployment. Null when no commit time is known.',
  })
  leadTimeP90!: number | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'Share of finished deployments that failed, were rolled back or caused an incident, from 0 to 1. Null when no deployment finished.',
  })
  changeFailureRate!: number | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'Median time to restore service in seconds: start of an incident to its resolution. Null when no incident was resolved.',
  })
  timeToRestoreP50!: number | null;

  @Field(() => Float, {
    nullable: true,
    description:
      '90th percentile of the time to restore service in seconds: start of an incident to its resolution. Null when no incident was resolved.',
  })
  timeToRestoreP90!: number | null;

  @Field(() => Float, { description: 'Deployments that were rolled back per day.' })
  rollbackFrequency!: number;
}

@ObjectType({ simpleResolvers: true, description: 'DORA metrics of one bucket.' })
export class DeliveryBucket extends DeliveryFigures {
  @Field(() => Date, {
    description:
      'Start of the bucket, inclusive. The first bucket starts at the start of the requested time range.',
  })
  from!: Date;

  @Field(() => Date, { description: 'End of the bucket, exclusive.' })
  to!: Date;
}

@ObjectType({ simpleResolvers: true, description: 'DORA metrics of a time range, in total and per bucket.' })
export class DeliveryMetrics {
  @Field(() => Date, { description: 'Start of the time range, inclusive.' })
  from!: Date;

  @Field(() => Date, { description: 'End of the time range, exclusive.' })
  to!: Date;

  @Field(() => DeliveryFigures, { description: 'Metrics of the whole time range.' })
  total!: DeliveryFigures;

  @Field(() => [DeliveryBucket], {
    description: 'Metrics per bucket, oldest first. Buckets without deployments and incidents are included.',
  })
  buckets!: DeliveryBucket[];
}

@ArgsType()
export class DeliveryMetricsArgs {
  @Field(() => ID, { nullable: true, description: 'ID of a service. The default is all services.' })
  service?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Name of an environment. The default is all environments.',
  })
  environment?: string | null;

  @Field(() => Date, { description: 'Start of the time range, inclusive.' })
  from!: Date;

  @Field(() => Date, { description: 'End of the time range, exclusive.' })
  to!: Date;

  @Field(() => MetricsBucket, {
    defaultValue: MetricsBucket.WEEK,
    description: 'Size of the buckets, at most 1000 buckets per time range.',
  })
  bucket!: MetricsBucket;
}
