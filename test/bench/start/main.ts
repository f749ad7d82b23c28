/** `npm run bench -- start`: start of each program, as a bundle and as the modules that it is made of. */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Command, InvalidArgumentError } from 'commander';
import { Postgres } from '../../../sandbox/postgres/postgres.js';
import { freePorts } from '../../../sandbox/process/ports.js';

const FORMS = { modules: 'dist', bundle: 'dist/bundle' } as const;

const { rounds } = new Command('bench start')
  .description('Time until a program is ready, or has finished: the median of all rounds, which alternate.')
  .option('--rounds <count>', 'starts of each program', positive, 10)
  .parse()
  .opts<{ rounds: number }>();

const postgres = await Postgres.start();
try {
  const env = {
    PATH: process.env.PATH,
    PCF_API__DATABASE__URL: await postgres.createDatabase('start'),
    PCF_API__ENVIRONMENT: 'development',
    PCF_API__SERVER__HOST: '127.0.0.1',
    PCF_API__SERVER__WORKERS: '1',
  };
  await run(FORMS.bundle, ['api-server/main.js', 'migrate', 'up']);
  console.table({
    'api: serve, until ready': await compare(serveUntilReady),
    'api: migrate up, nothing to do': await compare((form) =>
      run(form, ['api-server/main.js', 'migrate', 'up']),
    ),
    'operator: --help': await compare((form) => run(form, ['operator/main.js', '--help'])),
    'kubectl pcf --help': await compare((form) => run(form, ['cli/bin.js', '--help'])),
  });

  async function run(form: string, [program, ...args]: string[]): Promise<void> {
    await promisify(execFile)(process.execPath, [`${form}/${program}`, ...args], { env });
  }

  async function serveUntilReady(form: string): Promise<void> {
    const [port, metricsPort] = await freePorts(2);
    const ports = { PCF_API__SERVER__PORT: String(port), PCF_API__METRICS__PORT: String(metricsPort) };
    const stop = new AbortController();
    // Without SIGKILL it would shut down gracefully, during the next start.
    const options = { env: { ...env, ...ports }, signal: stop.signal, killSignal: 'SIGKILL' } as const;
    const ended = promisify(execFile)(process.execPath, [`${form}/api-server/main.js`, 'serve'], options);
    const isReady = () =>
      fetch(`http://127.0.0.1:${port}/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    const failed = ended.then(() => Promise.reject(new Error('it ended')));
    const ready = (async () => {
      while (!(await isReady())) await sleep(5);
    })();
    await Promise.race([ready, failed]);
    stop.abort();
    await ended.catch(() => undefined);
  }
} finally {
  await postgres.remove();
}
process.exit();

/** Medians in milliseconds, and their ratio. The first start of each form fills the compile cache. */
async function compare(start: (form: string) => Promise<void>): Promise<Record<string, number>> {
  const times: Record<keyof typeof FORMS, number[]> = { modules: [], bundle: [] };
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of ['modules', 'bundle'] as const) {
      const startedAt = performance.now();
      await start(FORMS[name]);
      if (round > 0) times[name].push(performance.now() - startedAt);
    }
  }
  const [modules, bundle] = [median(times.modules), median(times.bundle)];
  return { 'modules, ms': modules, 'bundle, ms': bundle, ratio: Number((bundle / modules).toFixed(2)) };
}

function median(values: number[]): number {
  return Math.round(values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!);
}

function positive(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('expected a positive integer');
  return Number(text);
}
