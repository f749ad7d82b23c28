/**
 * Builds our Dockerfiles in a temporary folder without a container engine: the context that .dockerignore
 * allows, each RUN of the build stage, and a root file system with the files that the last stage copies.
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { type Copy, type Dockerfile, DockerfileParser, type Instruction } from 'dockerfile-ast';
import { RUN_FACTOR } from '../runner/property-runs.js';

export interface Image {
  /** The root file system that the Dockerfile creates, with Node.js at /nodejs/bin/node as in the base image. */
  root: string;
  workdir: string;
  env: Record<string, string>;
  entrypoint: string[];
  command: string[];
  healthcheck: string[];
  user: string;
}

export function parseDockerfile(file: string): Dockerfile {
  return DockerfileParser.parse(readFileSync(file, 'utf8'));
}

/** The instructions of each stage, in order, without instructions before the first FROM. */
export function stagesOf(dockerfile: Dockerfile): Instruction[][] {
  const stages: Instruction[][] = [];
  for (const instruction of dockerfile.getInstructions()) {
    if (instruction.getKeyword() === 'FROM') stages.push([]);
    stages.at(-1)?.push(instruction);
  }
  return stages;
}

/** Paths that .dockerignore allows. It must exclude "*" and list exceptions, so that no file is included by accident. */
export function admitted(): string[] {
  const lines = readFileSync('.dockerignore', 'utf8').split('\n');
  const [everything, ...rest] = lines.filter((line) => line && !line.startsWith('#'));
  const plain = rest.every((line) => /^![\w./-]+$/.test(line));
  if (everything !== '*' || !plain)
    throw new Error('.dockerignore must contain "*" and then lines such as "!folder"');
  return rest.map((line) => line.slice(1));
}

/** Words of an instruction in shell or JSON form, without flags such as --from. */
export function wordsOf(instruction: Instruction): string[] {
  const text = instruction.getArgumentsContent() ?? '';
  if (text.startsWith('[')) return JSON.parse(text) as string[];
  return instruction.getArguments().map((argument) => argument.getValue());
}

/** The source stage of a COPY. Undefined for the build context. */
export function fromStage(instruction: Instruction): string | undefined {
  return (instruction as Copy).getFromFlag()?.getValue() ?? undefined;
}

/**
 * Builds images in a temporary folder. Identical first steps of two Dockerfiles run once. `npm ci`, which takes 46 s of
 * CPU time, runs only with PCF_TEST_RUNS=1, or if node_modules of this repository differs from the lock file: otherwise
 * it would install the same packages.
 */
export class DockerBuild {
  readonly folder = mkdtempSync(join(tmpdir(), 'pcf-docker-'));
  private readonly context = join(this.folder, 'context');
  private readonly layers = new Map<string, string>();

  constructor() {
    for (const path of admitted()) cpSync(path, join(this.context, path), { recursive: true });
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  build(file: string): Image {
    const [build, final] = stagesOf(parseDockerfile(file));
    const source = this.runBuildStage(build!, basename(file));
    return this.assemble(final!, source, join(this.folder, `${basename(file)}.root`));
  }

  private runBuildStage(stage: readonly Instruction[], name: string): string {
    const folder = join(this.folder, `${name}.build`);
    mkdirSync(folder);
    let history = '';
    for (const instruction of stage) {
      history += `${instruction.getKeyword()} ${instruction.getArgumentsContent()}\n`;
      if (instruction.getKeyword() === 'COPY') copy(wordsOf(instruction), this.context, folder);
      if (instruction.getKeyword() === 'RUN')
        this.run(instruction.getRawArgumentsContent()!, folder, history);
    }
    return folder;
  }

  private run(command: string, folder: string, history: string): void {
    const installs = command.startsWith('npm ci');
    const layer = installs && isInstalled() && RUN_FACTOR < 1 ? '.' : this.layers.get(history);
    if (layer) {
      execFileSync('cp', ['-a', realpathSync(join(layer, 'node_modules')), folder]);
      return;
    }
    const bin = makeBin(join(this.folder, 'bin'));
    const env = {
      ...process.env,
      PATH: [bin, process.env.PATH].join(delimiter),
      npm_config_prefer_offline: 'true',
    };
    execFileSync('sh', ['-ec', command], { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
    if (!installs) return;
    const layerFolder = join(this.folder, `layer-${this.layers.size}`);
    mkdirSync(layerFolder);
    execFileSync('cp', ['-a', join(folder, 'node_modules'), layerFolder]);
    this.layers.set(history, layerFolder);
  }

  private assemble(stage: readonly Instruction[], source: string, root: string): Image {
    const image: Image = {
      root,
      workdir: '/',
      env: {},
      entrypoint: [],
      command: [],
      healthcheck: [],
      user: '',
    };
    mkdirSync(join(root, 'nodejs/bin'), { recursive: true });
    copyFileSync(process.execPath, join(root, 'nodejs/bin/node'));
    for (const instruction of stage) this.apply(instruction, image, source);
    return image;
  }

  private apply(instruction: Instruction, image: Image, source: string): void {
    const words = wordsOf(instruction);
    switch (instruction.getKeyword()) {
      case 'WORKDIR':
        image.workdir = words[0]!;
        break;
      case 'COPY': {
        const fromBuild = fromStage(instruction) === 'build';
        copy(words, fromBuild ? source : this.context, join(image.root, image.workdir));
        break;
      }
      case 'ENV':
        for (const word of words) {
          const [name, ...value] = word.split('=');
          image.env[name!] = value.join('=').replace(/\$\{\w+\}/, '');
        }
        break;
      case 'USER':
        image.user = words[0]!;
        break;
      case 'ENTRYPOINT':
        image.entrypoint = words;
        break;
      case 'CMD':
        image.command = words;
        break;
      case 'HEALTHCHECK':
        image.healthcheck = JSON.parse(/CMD (\[.*\])$/.exec(instruction.getRawArgumentsContent()!)![1]!);
        break;
    }
  }
}

/** `COPY a b target`. Sources such as /src/a are read from the build stage's folder. */
function copy(words: readonly string[], from: string, to: string): void {
  const paths = words.filter((word) => !word.startsWith('--')).map((path) => path.replace(/^\/src\//, ''));
  const target = paths.pop()!;
  for (const path of paths) {
    const into = target.endsWith('/') ? join(to, target, basename(path)) : join(to, target);
    if (!existsSync(join(from, path))) throw new Error(`COPY ${path}: file not found`);
    mkdirSync(dirname(into), { recursive: true });
    cpSync(join(from, path), into, { recursive: true, verbatimSymlinks: true });
  }
}

interface Locked {
  integrity?: string;
  optional?: boolean;
}

/** Whether node_modules has the packages of the lock file. It lacks optional ones of other platforms. */
function isInstalled(): boolean {
  const packagesOf = (file: string) =>
    (JSON.parse(readFileSync(file, 'utf8')) as { packages: Record<string, Locked> }).packages;
  if (!existsSync('node_modules/.package-lock.json')) return false;
  const installed = packagesOf('node_modules/.package-lock.json');
  const { '': _project, ...locked } = packagesOf('package-lock.json');
  return (
    Object.keys(installed).every((path) => path in locked) &&
    Object.entries(locked).every(([path, { integrity, optional }]) =>
      path in installed ? installed[path]!.integrity === integrity : optional,
    )
  );
}

/** A folder for PATH with the Node.js of the build image. */
function makeBin(folder: string): string {
  if (existsSync(folder)) return folder;
  mkdirSync(folder);
  copyFileSync(process.execPath, join(folder, 'node'));
  return folder;
}
