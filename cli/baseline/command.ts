/** `kubectl pcf baseline`: records the figures of the stable revision, which `doctor` compares later ones with. */
import type { Command } from 'commander';
import type { PcfApi } from '../../operator/api/v1alpha1/pcfapi.js';
import { PcfApiKind } from '../../operator/resources/kinds.js';
import { type ClusterOptions, clusterCommand, FIELD_MANAGER, getPcfApi, withCluster } from '../cluster.js';
import { CliError, outputOption, printJson, span } from '../output.js';
import { prometheusUrl, QueryServer } from '../prometheus.js';
import { wholeSeconds } from '../seconds.js';
import { measure, missingFigures } from './measure.js';
import {
  BASELINE_ANNOTATION,
  type BaselineEntry,
  describeFigures,
  readBaseline,
  withEntry,
} from './record.js';

type BaselineOptions = ClusterOptions & { prometheus?: string; window: number; output: string };

const HOUR_SECONDS = 3_600;

export function baselineCommand(): Command {
  return clusterCommand('baseline')
    .description('Record the performance of the stable revision, for the comparison by doctor.')
    .argument('<name>', 'a PcfApi')
    .option('--prometheus <url>', 'URL of Prometheus; default: that of the analysis in the spec')
    .option(
      '--window <seconds>',
      'time to measure, until now; at most since the promotion',
      wholeSeconds,
      HOUR_SECONDS,
    )
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
The annotation ${BASELINE_ANNOTATION} of the PcfApi has the last 10 revisions. A URL of the form
http://NAME.NAMESPACE:PORT is reached through the API server.

Examples:
  $ kubectl pcf baseline pcf-api -n platform
  $ kubectl pcf baseline pcf-api -n platform --prometheus http://prometheus-operated.monitoring:9090`,
    )
    .action(async (name: string, options: BaselineOptions) => {
      const added = await withCluster(options, async (access) => {
        const api = await getPcfApi(access, name);
        const url = prometheusUrl(api, options.prometheus);
        if (!url) throw new CliError('the spec has no analysis with Prometheus; set --prometheus URL');
        const added = await entryFor(new QueryServer(access.client, url), api, options.window);
        const annotations = { [BASELINE_ANNOTATION]: withEntry(readBaseline(api), added) };
        const patch = { metadata: { annotations } };
        await access.client.patch(PcfApiKind, access.namespace, name, patch, { fieldManager: FIELD_MANAGER });
        return added;
      });
      if (options.output === 'json') printJson(added);
      else console.log(`${added.revision}: ${describeFigures(added)} in ${span(added.windowSeconds)}`);
    });
}

/** Throws a {@link CliError} if the figures would describe more than one revision, or too few requests. */
async function entryFor(server: QueryServer, api: PcfApi, windowSeconds: number): Promise<BaselineEntry> {
  const { stableRevision, updateRevision, stable } = stateOf(api);
  if (!stableRevision) throw new CliError(`${api.metadata.name} has no stable revision yet`);
  if (updateRevision && updateRevision !== stableRevision)
    throw new CliError(`a delivery is in progress; record the baseline after its promotion`);
  const figures = await measure(server, api, stableRevision, windowSeconds);
  if (!('p99' in figures))
    throw new CliError(
      `${missingFigures(stableRevision, figures)}; use a longer --window, or check that Prometheus scrapes the pods: kubectl pcf doctor ${api.metadata.name} -n ${api.metadata.namespace}`,
    );
  return {
    revision: stableRevision,
    image: stable ?? api.spec.image,
    recordedAt: new Date().toISOString(),
    ...figures,
  };
}

function stateOf({ status }: PcfApi) {
  const { stableRevision, updateRevision, revisions = [] } = status ?? {};
  const stable = revisions.find(({ name }) => name === stableRevision)?.image;
  return { stableRevision, updateRevision, stable };
}
