import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { CONTAINER_ENV, ENV } from '../../../contract/image.js';
import {
  admitted,
  fromStage,
  parseDockerfile,
  stagesOf,
  wordsOf,
} from '../../support/processes/docker-build.js';

const users = { 'Dockerfile.operator': '65532:65532', 'Dockerfile.api': '1001:1001' };

describe('.dockerignore', () => {
  it('admits only existing paths, without tests, sandbox, secrets and Git history', () => {
    for (const path of admitted()) assert.ok(existsSync(path), `${path} does not exist`);
    for (const path of ['test', 'sandbox', 'deploy', 'node_modules', 'dist', '.git', '.env', '.'])
      assert.ok(!admitted().includes(path), `${path} is admitted`);
  });
});

for (const [file, user] of Object.entries(users)) {
  describe(file, () => {
    const dockerfile = parseDockerfile(file);
    const [build, final] = stagesOf(dockerfile);
    const of = (stage: typeof build, keyword: string) =>
      stage!.filter((instruction) => instruction.getKeyword() === keyword);
    const raw = (keyword: string) => of(final, keyword).map((one) => one.getRawArgumentsContent() ?? '');

    it('has a build stage and a final stage, which copies its files only from the build', () => {
      assert.equal(stagesOf(dockerfile).length, 2);
      assert.equal(of(final, 'RUN').length, 0, 'the final image may have no shell');
      for (const copy of of(final, 'COPY'))
        if (fromStage(copy) !== 'build') assert.deepEqual(wordsOf(copy), ['LICENSE', './']);
      assert.equal(dockerfile.getInstructions().filter((one) => one.getKeyword() === 'ADD').length, 0);
    });

    it(`runs as ${user}, not as root`, () => {
      assert.deepEqual(raw('USER'), [user]);
    });

    it('has an entrypoint and a health check without a shell', () => {
      for (const keyword of ['ENTRYPOINT', 'HEALTHCHECK']) {
        const [text] = raw(keyword);
        assert.match(text ?? '', /\["node", .*\]$/, keyword);
      }
    });

    it('pins the version of each base image', () => {
      const images = of(dockerfile.getInstructions(), 'ARG').map((one) => wordsOf(one)[0]!.split('='));
      const defaults = images.filter(([name]) => name!.endsWith('_IMAGE')).map(([, image]) => image!);
      assert.equal(defaults.length, 2);
      for (const image of defaults) assert.match(image, /24/, image);
    });

    it('installs packages before it copies sources, so that a source change does not reinstall them', () => {
      const steps = build!.map((one) => `${one.getKeyword()} ${one.getRawArgumentsContent()}`);
      const install = steps.findIndex((step) => step.startsWith('RUN npm ci'));
      const before = steps.slice(0, install).filter((step) => step.startsWith('COPY'));
      assert.deepEqual(before, ['COPY package.json package-lock.json ./']);
      const program = raw('COPY').at(-1);
      assert.match(program!, / dist$/, 'the most frequently changed files are copied last');
    });

    it('copies only paths that .dockerignore admits, and has no ARG or ENV for a secret', () => {
      for (const copy of of(build, 'COPY'))
        for (const path of wordsOf(copy).slice(0, -1))
          assert.ok(admitted().includes(path), `${path} is not admitted`);
      for (const one of dockerfile.getInstructions())
        if (['ARG', 'ENV'].includes(one.getKeyword()))
          assert.doesNotMatch(one.getRawArgumentsContent() ?? '', /token|password|secret|DATABASE__URL/i);
    });
  });
}

describe('Dockerfile.api', () => {
  it('runs with environment production by default, and has a health check with the role healthcheck', () => {
    const [, final] = stagesOf(parseDockerfile('Dockerfile.api'));
    const text = (keyword: string) =>
      final!.filter((one) => one.getKeyword() === keyword).map((one) => one.getRawArgumentsContent());
    assert.ok(text('ENV').some((env) => env?.includes(`${ENV.environment}=production`)));
    assert.ok(text('ENV').some((env) => env?.includes(`${CONTAINER_ENV}=true`)));
    assert.match(text('HEALTHCHECK')[0]!, /"healthcheck"\]$/);
    assert.deepEqual(text('CMD'), ['["serve"]']);
  });

  it('fails to build with a migration that was changed, is out of order, or has lint findings', () => {
    const [build] = stagesOf(parseDockerfile('Dockerfile.api'));
    const steps = build!.map((one) => `${one.getKeyword()} ${one.getRawArgumentsContent()}`);
    const compiled = steps.findIndex((step) => /^RUN .*\/tsc /.test(step));
    assert.match(
      steps[compiled + 1] ?? '',
      /^RUN node dist\/scripts\/migration-registry\.js && .*migrate lint/,
    );
  });
});
