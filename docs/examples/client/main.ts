/** Prints how well the platform delivers, and every deployment that failed in the last 90 days. */
import { ask, type Endpoint } from './client.js';
import { DeploymentsDocument, type DeploymentsQueryVariables, FiguresDocument } from './generated.js';

const DAY_MS = 86_400_000;

async function report(endpoint: Endpoint): Promise<void> {
  const [from, to] = [90, 0].map((days) => new Date(Date.now() - days * DAY_MS).toISOString()) as [
    string,
    string,
  ];
  const { deliveryMetrics } = await ask(endpoint, FiguresDocument, { from, to });
  const { deployments, changeFailureRate, leadTimeP50 } = deliveryMetrics.total;
  console.log(`${deployments} deployments since ${from.slice(0, 10)}`);
  console.log(`change failure rate ${percent(changeFailureRate)}, lead time ${hours(leadTimeP50)}`);
  for await (const { service, environment, version, status, startedAt } of failures(endpoint, from))
    console.log(`${startedAt.slice(0, 10)}  ${service.name} ${version} in ${environment.name}: ${status}`);
}

/** Page by page, as they are looked at. */
async function* failures(endpoint: Endpoint, startedFrom: string) {
  const variables: DeploymentsQueryVariables = { filter: { status: ['FAILED', 'ROLLED_BACK'], startedFrom } };
  for (;;) {
    const { deployments: page } = await ask(endpoint, DeploymentsDocument, variables);
    for (const { node } of page.edges) yield node;
    if (!page.pageInfo.hasNextPage) return;
    variables.after = page.pageInfo.endCursor;
  }
}

function percent(share: number | null): string {
  return share === null ? 'unknown' : `${(100 * share).toFixed(1)} %`;
}

function hours(seconds: number | null): string {
  return seconds === null ? 'unknown' : `${(seconds / 3600).toFixed(1)} h`;
}

const { PCF_URL: url, PCF_TOKEN: token } = process.env;
if (url) {
  await report({ url, ...(token ? { token } : {}) }).catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
} else {
  console.error('Say where the API is: PCF_URL=https://api.example.com/graphql PCF_TOKEN=...');
  process.exitCode = 64;
}
