import { ArgsType, Field, Float, ID, Int, ObjectType, registerEnumType } from 'type-graphql';

export const MetricsBucket = { DAY: 'DAY', WEEK: 'WEEK', MONTH: 'MONTH' } as const;
export type MetricsBucket = (typeof MetricsBucket)[keyof typeof MetricsBucket];
registerEnumType(MetricsBucket, {
  name: 'MetricsBucket',
  description: 'Days, weeks (from Monday on) and months are those of UTC.',
});

@ObjectType({
  simpleResolvers: true,
  description:
    "How well it was delivered in a time, after DORA's definitions. What ended in the time counts.",
})
export class DeliveryFigures {
  @Field(() => Int, { description: 'Deployments that ended, however they ended.' })
  deployments!: number;

  @Field(() => Int)
  succeeded!: number;

  @Field(() => Int)
  failed!: number;

  @Field(() => Int)
  rolledBack!: number;

  @Field(() => Float, { description: 'Successful deployments a day.' })
  deploymentFrequency!: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Seconds from the commit to the end of its successful deployment, for half of them at most.',
  })
  leadTimeP50!: number | null;

  @Field(() => Float, { nullable: true, description: 'The same for nine of ten.' })
  leadTimeP90!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'The share of deployments that failed, were rolled back or caused an incident; 0 to 1.',
  })
  changeFailureRate!: number | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'Seconds from the begin of an incident to its end, for half of those that were resolved in the time.',
  })
  timeToRestoreP50!: number | null;

  @Field(() => Float, { nullable: true, description: 'The same for nine of ten.' })
  timeToRestoreP90!: number | null;

  @Field(() => Float, { description: 'Deployments that were rolled back, a day.' })
  rollbackFrequency!: number;
}

@ObjectType({ simpleResolvers: true })
export class DeliveryBucket extends DeliveryFigures {
  @Field(() => Date, { description: 'The begin of the bucket, or of the time asked for if that is later.' })
  from!: Date;

  @Field(() => Date, { description: 'The end, which does not belong to it.' })
  to!: Date;
}

@ObjectType({ simpleResolvers: true })
export class DeliveryMetrics {
  @Field(() => Date)
  from!: Date;

  @Field(() => Date)
  to!: Date;

  @Field(() => DeliveryFigures, { description: 'Over the whole time.' })
  total!: DeliveryFigures;

  @Field(() => [DeliveryBucket], { description: 'Every bucket, those in which nothing happened too.' })
  buckets!: DeliveryBucket[];
}

@ArgsType()
export class DeliveryMetricsArgs {
  @Field(() => ID, { nullable: true, description: 'The id of a service; all of them when left out.' })
  service?: string | null;

  @Field(() => String, { nullable: true, description: 'The name of an environment; all when left out.' })
  environment?: string | null;

  @Field(() => Date)
  from!: Date;

  @Field(() => Date, { description: 'Up to, but not at.' })
  to!: Date;

  @Field(() => MetricsBucket, { defaultValue: MetricsBucket.WEEK })
  bucket!: MetricsBucket;
}
