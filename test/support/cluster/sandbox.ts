/** One sandbox for all tests of a run, started on first use and stopped at the end. One namespace per suite. */
import { buildImage } from '../../../sandbox/images.js';
import { Sandbox } from '../../../sandbox/sandbox.js';
import { SPLIT_IMAGES } from '../../../sandbox/story/split/images.js';

let starting: Promise<Sandbox> | undefined;
let namespaces = 0;

/** Includes a build of the control plane. */
export const START_TIMEOUT_MS = 25 * 60_000;

/** The shared sandbox: control plane, node, gateway, PostgreSQL, Redis if available, and a running operator. */
export function sharedSandbox(): Promise<Sandbox> {
  starting ??= start();
  return starting;
}

/** Stops the shared sandbox, if it was started. */
export async function stopSharedSandbox(): Promise<void> {
  await (await starting?.catch(() => undefined))?.stop();
}

/** Creates a namespace with its own database, whose URL is in the Secret `pcf-api-secrets`. */
export async function newTenant(sandbox: Sandbox, prefix: string): Promise<string> {
  const namespace = `${prefix}-${++namespaces}`;
  await sandbox.createTenant(namespace);
  return namespace;
}

async function start(): Promise<Sandbox> {
  const sandbox = new Sandbox('.sandbox/test');
  sandbox.cleanUp();
  try {
    buildTestImages(`${sandbox.stateDir}/images`);
    await Promise.all([sandbox.startCluster(), sandbox.startPostgres(), sandbox.startRedis()]);
    await sandbox.install();
    await sandbox.startNode(1_000);
    await sandbox.startOperator();
    restartAfterErrors(sandbox);
    return sandbox;
  } catch (error) {
    await sandbox.stop();
    throw error;
  }
}

/** As a kubelet does: on a busy machine the operator can lose its Lease, and then it exits. */
function restartAfterErrors(sandbox: Sandbox): void {
  const { operator } = sandbox;
  const timer = setInterval(() => {
    if (!operator.failed) return;
    console.warn(`the operator of the sandbox exited, restarting it:\n${operator.lastLines(3)}`);
    operator.restart().catch((error: unknown) => console.warn(error));
  }, 500);
  sandbox.onStop(async () => clearInterval(timer));
}

function buildTestImages(imagesDir: string): void {
  const extraMigrations = ['dist/sandbox/story/migrations/1795370000101-add-runbook.js'];
  buildImage(imagesDir, { name: 'pcf-api', tag: '1.0.0' });
  buildImage(imagesDir, { name: 'pcf-api', tag: '1.1.0', extraMigrations });
  buildImage(imagesDir, SPLIT_IMAGES.v2);
  buildImage(imagesDir, {
    name: 'pcf-api',
    tag: 'never-ready',
    entrypoint: 'dist/sandbox/story/never-ready.js',
  });
  buildImage(imagesDir, {
    name: 'pcf-api',
    tag: 'crashing',
    entrypoint: 'dist/test/support/programs/crashing.js',
  });
  buildImage(imagesDir, {
    name: 'pcf-api',
    tag: 'slow-start',
    extraMigrations,
    entrypoint: 'dist/test/support/programs/slow-start.js',
  });
  buildImage(imagesDir, {
    name: 'pcf-api',
    tag: 'without-phases',
    entrypoint: 'dist/test/support/programs/without-phases.js',
  });
  buildImage(imagesDir, {
    name: 'pcf-api',
    tag: 'erroneous',
    extraMigrations,
    entrypoint: 'dist/bundle/changed/faulty.js',
    changesModules: true,
    env: { STORY_FAULT: 'errors' },
  });
  buildImage(imagesDir, {
    name: 'pcf-api',
    tag: 'jobs-of-version-2',
    entrypoint: 'dist/bundle/changed/jobs-of-version-2.js',
    changesModules: true,
  });
  const failing = ['dist/test/support/fixtures/failing-migration.js'];
  buildImage(imagesDir, { name: 'pcf-api', tag: 'bad-migration', extraMigrations: failing });
}
