/** A copy of deploy/compose and the files that it mounts, as a user changes it: secrets, and the image of each release. */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { imageOf } from '../parts/images.js';
import type { Docker } from './docker.js';

export class ComposeProject {
  private image = imageOf('1.0.0');

  private constructor(
    private readonly docker: Docker,
    private readonly root: string,
    private readonly env: Record<string, string>,
  ) {}

  /** `env`: additional variables of all scripts. */
  static create(docker: Docker, env: Record<string, string> = {}): ComposeProject {
    const root = join(docker.folder, 'repository');
    rmSync(root, { recursive: true, force: true });
    for (const folder of ['deploy/compose', 'deploy/alerts', 'deploy/dashboards'])
      cpSync(folder, join(root, folder), { recursive: true });
    return new ComposeProject(docker, root, env);
  }

  /** Selects the image for further commands: `export PCF_API_IMAGE=`. */
  use(version: string): void {
    this.image = imageOf(version);
  }

  /** Runs a script in the folder of compose.yaml. */
  sh(script: string): Promise<string> {
    return this.run(script, join(this.root, 'deploy/compose'));
  }

  /** Runs a script in the root of the repository. */
  shInRoot(script: string): Promise<string> {
    return this.run(script, this.root);
  }

  /** Value of a Go template for the only container of a service. */
  async inspect(service: string, template: string): Promise<string> {
    const script = `docker inspect --format '${template}' $(docker compose ps --all --quiet ${service})`;
    return (await this.sh(script)).trim();
  }

  private run(script: string, cwd: string): Promise<string> {
    return this.docker.sh(script, { cwd, env: { ...this.env, PCF_API_IMAGE: this.image } });
  }
}
