/** `npm run bench -- start`: start of each program, as a bundle and as the modules that it is made of. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { Postgres } from '../../../sandbox/postgres/postgres.js';
import { ApiProcess } from '../../integration/api-server/api-process.js';

const FORMS = { modules: 'dist', bundle: 'dist/bundle' } as const;

const options = new Command('bench start')
  .description('Time until a program is ready, or has finished: the median of all rounds, which alternate.')
  .option('--rounds <count>', 'starts of each program', '10')
  .parse()
  .opts<{ rounds: string }>();

const postgres = await Postgres.start();
try {
  const env = {
    PATH: process.env.PATH,
    PCF_API__DATABASE__URL: await postgres.createDatabase('start'),
    PCF_API__ENVIRONMENT: 'development',
  };
  const run = async (form: string, [program, ...args]: string[]) => {
    await promisify(execFile)(process.execPath, [`${form}/${program}`, ...args], { env });
  };
  const serveUntilReady = async (form: string) => {
    // This checkout has the layout of an image with the modules.
    const image = form === FORMS.modules ? process.cwd() : undefined;
    const api = await ApiProcess.start(env as Record<string, string>, image);
    await api.waitForReady();
    return () => api.kill();
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
} finally {
  await postgres.remove();
}
process.exit();

/** Medians in milliseconds, and their ratio. `start` can return how to stop what it started. The first start of each form fills the compile cache. */
async function compare(
  start: (form: string) => Promise<void | (() => Promise<void>)>,
): Promise<Record<string, number>> {
  const times: Record<keyof typeof FORMS, number[]> = { modules: [], bundle: [] };
  for (let round = 0; round <= Number(options.rounds); round += 1) {
    for (const name of ['modules', 'bundle'] as const) {
      const startedAt = performance.now();
      const stop = await start(FORMS[name]);
      if (round > 0) times[name].push(performance.now() - startedAt);
      await stop?.();
    }
  }
  const [modules, bundle] = [median(times.modules), median(times.bundle)];
  return { 'modules, ms': modules, 'bundle, ms': bundle, ratio: Number((bundle / modules).toFixed(2)) };
}

function median(values: number[]): number {
  return Math.round(values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!);
}
