import { Agent } from 'undici';
import { eventually } from '../../support/cluster/pcf-api.js';
import { ask, type Lanes, type Target } from '../load.js';
import type { ComposeProject } from './project.js';

/** A failure without its time and data. */
const kind = (failure: string) =>
  /HTTP \d+|"code":"\w+"|E[A-Z]{6,}|other side closed/.exec(failure)?.[0] ?? failure;

/** Runs a script under load, and waits until the target responds. Returns the failed requests. */
export async function failuresDuring(
  project: ComposeProject,
  lanes: Lanes,
  target: Target,
  script: string,
): Promise<string[]> {
  lanes.takeFailures();
  const begin = Date.now();
  await project.sh(script);
  const agent = new Agent({ connect: { ca: target.ca } });
  await eventually('the API responds', async () => {
    const { status } = await ask(target, agent).catch(() => ({ status: 0 }));
    return status === 200;
  });
  await agent.close();
  const failures = lanes.takeFailures();
  console.error(`      ${script.trim().split('\n').join('; ')}: ${failures.length} failed requests,`);
  console.error(`      ${Date.now() - begin} ms; ${[...new Set(failures.map(kind))].join(', ')}`);
  return failures;
}
