/** The daemon that all scenarios on Docker share. Importing this module registers its hooks. */
import { Docker } from './docker.js';

let docker: Docker | undefined;

before(async function () {
  this.timeout(180_000);
  docker = await Docker.start();
});

after(() => docker?.remove());

/** The daemon. Call it in hooks and tests only. */
export function sharedDocker(): Docker {
  return docker!;
}
