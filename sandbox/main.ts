#!/usr/bin/env node
/** `npm run sandbox`: a complete cluster on this machine, until it is stopped. */
import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { Listr, PRESET_TIMER } from 'listr2';
import { ApiClient } from './api-client.js';
import { buildImage } from './images.js';
import { Sandbox } from './sandbox.js';
import { seed } from './seed.js';
import { approvalFlags } from './story/approvals.js';
import { BasicStory } from './story/basic.js';
import { DeliveryStory } from './story/delivery.js';
import { MigrationsStory } from './story/migrations.js';
import { withoutTotalCount } from './story/schema-chapter.js';
import { SPLIT_IMAGES } from './story/split/images.js';
import { sandboxToken } from './tokens.js';

interface Options {
  story?: keyof typeof stories;
  rows: number;
  writes: number;
  sample: number;
  stateDir: string;
}

type Print = (line: string) => void;
const stories = {
  basic: (print: Print) => new BasicStory(sandbox, print),
  delivery: (print: Print) => new DeliveryStory(sandbox, print),
  migrations: (print: Print) => new MigrationsStory(sandbox, print, options),
};

const options = new Command('sandbox')
  .description(
    'Runs a Kubernetes control plane, a node, a gateway, PostgreSQL and the operator, without Docker or root.',
  )
  .addOption(
    new Option('--story [name]', 'run a scenario under load, then exit')
      .choices(Object.keys(stories))
      .preset('basic'),
  )
  .option('--rows <count>', 'rows of the table in the scenario "migrations"', Number, 1_000_000)
  .option('--writes <seconds>', 'writes between contract and undo in the scenario "migrations"', Number, 8)
  .option('--sample <seconds>', 'duration of each sample of responses', Number, 4)
  .option('--state-dir <folder>', 'folder of data, logs and the kubeconfig', '.sandbox')
  .addHelpText(
    'after',
    '\nExamples:\n  $ npm run sandbox\n  $ npm run sandbox -- --story\n  $ npm run sandbox -- --story delivery\n  $ npm run sandbox -- --story migrations',
  )
  .parse()
  .opts<Options>();

const sandbox = new Sandbox(options.stateDir);
let ending: Promise<void> | undefined;

/** Stops everything once, and exits. Remaining processes are killed on exit. */
async function end(code: number): Promise<never> {
  process.exitCode ??= code;
  ending ??= sandbox.stop();
  await ending;
  return process.exit();
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  // The second signal exits immediately.
  process.on(signal, () => void (ending ? process.exit(code) : end(code)));
}
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: Error) => {
    console.error(`sandbox: ${error.stack ?? error}`);
    void end(1);
  });
}

try {
  await startEverything();
  if (options.story) {
    const story = stories[options.story]((line) => console.log(line));
    story.sampleMs = options.sample * 1_000;
    const problems = await story.run();
    await end(problems.length > 0 ? 1 : 0);
  } else {
    await applySample();
    await fillPlayground();
    console.log(await exampleCommands());
    await new Promise(() => setInterval(() => {}, 2 ** 30));
  }
} catch (error) {
  console.error(`sandbox: ${(error as Error).message}`);
  await end(1);
}

async function startEverything(): Promise<void> {
  const tasks = new Listr(
    [
      { title: 'clean up after an earlier sandbox', task: (_, task) => setOutput(task, cleanUp()) },
      {
        title: 'build images pcf-api:1.0.0, 1.1.0, 1.2.0, 1.3.0, 1.4.0, 1.5.0, 1.6.0 and 2.0.0',
        task: () => buildImages(),
      },
      {
        title: 'start',
        task: (_, task) =>
          task.newListr(
            [
              {
                title: 'etcd, kube-apiserver, kube-controller-manager, kube-scheduler',
                task: (_ctx, own) => sandbox.startCluster((message) => setOutput(own, message)),
              },
              { title: 'PostgreSQL', task: () => sandbox.startPostgres() },
              {
                title: 'Redis',
                task: async (_ctx, own) => {
                  await sandbox.startRedis();
                  if (!sandbox.redis)
                    own.skip('Redis: redis-server is not on the PATH; the API runs without Redis');
                },
              },
            ],
            { concurrent: true },
          ),
      },
      { title: 'CRDs and permissions of the operator', task: () => sandbox.install() },
      { title: 'node and HTTPS gateway', task: () => sandbox.startNode() },
      {
        title: 'Prometheus',
        // Only one scenario needs metrics.
        enabled: () => !options.story || options.story === 'delivery',
        task: async (_, own) => {
          await sandbox.startPrometheus();
          if (!sandbox.prometheus)
            own.skip('Prometheus: prometheus is not on the PATH; deliveries run without analysis');
        },
      },
      { title: 'namespace, database and Secret of the sample', task: () => sandbox.createTenant('platform') },
      { title: 'operator', task: () => startOperator() },
    ],
    {
      // The default handler would exit without a cleanup.
      registerSignalListeners: false,
      fallbackRenderer: 'verbose',
      rendererOptions: { timer: PRESET_TIMER, collapseSubtasks: false },
      fallbackRendererOptions: { timer: PRESET_TIMER },
    },
  );
  await tasks.run();
}

/** Only one scenario has approvers. */
async function startOperator(): Promise<void> {
  const approvals = options.story === 'delivery' ? await approvalFlags(sandbox) : undefined;
  sandbox.approvalUrl = approvals?.url;
  await sandbox.startOperator(approvals?.args);
}

function setOutput(task: { output: string | undefined }, message: string): void {
  task.output = message;
}

function cleanUp(): string {
  const left = sandbox.cleanUp();
  return left > 0
    ? `terminated ${left} processes of an earlier sandbox`
    : 'no processes of an earlier sandbox';
}

function buildImages(): void {
  const imagesDir = `${sandbox.stateDir}/images`;
  const extraMigrations = ['dist/sandbox/story/migrations/1795370000101-add-runbook.js'];
  buildImage(imagesDir, { name: 'pcf-api', tag: '1.0.0' });
  buildImage(imagesDir, { name: 'pcf-api', tag: '1.1.0', extraMigrations });
  buildImage(imagesDir, SPLIT_IMAGES.v2);
  buildImage(imagesDir, {
    name: 'pcf-api',
    tag: '1.2.0',
    extraMigrations,
    entrypoint: 'dist/sandbox/story/never-ready.js',
  });
  for (const [tag, fault] of [
    ['1.3.0', 'errors'],
    ['1.4.0', 'slow'],
    ['1.5.0', 'jobs'],
  ] as const) {
    const entrypoint = 'dist/bundle/changed/faulty.js';
    buildImage(imagesDir, {
      name: 'pcf-api',
      tag,
      extraMigrations,
      entrypoint,
      changesModules: true,
      env: { STORY_FAULT: fault },
    });
  }
  const graphqlSchema = withoutTotalCount(readFileSync('api-server/schema.graphql', 'utf8'));
  buildImage(imagesDir, { name: 'pcf-api', tag: '1.6.0', extraMigrations, graphqlSchema });
}

async function applySample(): Promise<void> {
  const startedAt = performance.now();
  await sandbox.parts.kubectl.apply(readFileSync('deploy/samples/pcfapi.yaml', 'utf8'));
  await sandbox.parts.kubectl.run([
    'wait',
    'pcfapi/pcf-api',
    '-n',
    'platform',
    '--for=condition=Ready',
    '--timeout=120s',
  ]);
  console.log(
    `\ndeploy/samples/pcfapi.yaml is Ready after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`,
  );
}

/** Date in ISO 8601. */
function monthsAgo(months: number): string {
  const now = new Date();
  const day = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, now.getUTCDate() + 1));
  return day.toISOString();
}

async function fillPlayground(): Promise<void> {
  const startedAt = performance.now();
  const client = new ApiClient(sandbox, 'platform/pcf-api', 'seed');
  const { services, deployments, incidents } = await seed(client);
  await client.close();
  console.log(
    `it has ${deployments} deployments of ${services} services and ${incidents} incidents, after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`,
  );
}

async function exampleCommands(): Promise<string> {
  const { gateway, gatewayPort, parts, prometheus } = sandbox;
  const connect = `--connect-to api.example.com:443:127.0.0.1:${gatewayPort}`;
  return `
  token          export TOKEN=${await sandboxToken('you', 'ADMIN')}
  shell          export PATH=${sandbox.commandsDir}:$PATH KUBECONFIG=${parts.cluster.kubeconfigPath}
  status         kubectl pcf status pcf-api -n platform --watch
  request        curl --cacert ${gateway.caPath} ${connect} https://api.example.com/graphql \\
                   -H 'content-type: application/json' -H "authorization: Bearer $TOKEN" -d '{"query":"{ deployments(first: 3) { totalCount edges { node { version status service { name } environment { name } } } } }"}'
  playground     https://localhost:${gatewayPort}/graphql (in a browser; trust the certificate; its headers: {"authorization": "Bearer <token>"})
                   { deliveryMetrics(from: "${monthsAgo(3)}", to: "${monthsAgo(0)}", bucket: MONTH, environment: "production") {
                     total { deployments deploymentFrequency changeFailureRate leadTimeP50 timeToRestoreP50 } } }
  deliver        kubectl patch pcf pcf-api -n platform --type merge -p '{"spec":{"image":"registry.example.com/pcf-api:1.1.0","canaryWeight":10}}'
  set weight     kubectl pcf weight pcf-api 50 -n platform
  metrics        ${prometheus?.url ?? 'none: prometheus is not on the PATH'}
  logs           ${sandbox.stateDir}/logs and ${sandbox.stateDir}/pods

Press Ctrl-C to stop.`;
}
