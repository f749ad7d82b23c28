import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { CONTAINER_ENV, ENV } from '../../../contract/image.js';
import { admitted, fromStage, parseDockerfile, stagesOf, wordsOf } from '../../support/docker-build.js';

const users = { 'Dockerfile.operator': '65532:65532', 'Dockerfile.api': '1001:1001' };

describe('.dockerignore', () => {
  it('admits what there is, and neither tests, sandbox, secrets nor history', () => {
    for (const path of admitted()) assert.ok(existsSync(path), `${path} is not there`);
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

    it('has a build stage and a last one, which gets its files from the build alone', () => {
      assert.equal(stagesOf(dockerfile).length, 2);
      assert.equal(of(final, 'RUN').length, 0, 'the last image may have no shell');
      for (const copy of of(final, 'COPY'))
        if (fromStage(copy) !== 'build') assert.deepEqual(wordsOf(copy), ['LICENSE', './']);
      assert.equal(dockerfile.getInstructions().filter((one) => one.getKeyword() === 'ADD').length, 0);
    });

    it(`runs as ${user}, who is not root`, () => {
      assert.deepEqual(raw('USER'), [user]);
    });

    it('is started and checked without a shell', () => {
      for (const keyword of ['ENTRYPOINT', 'HEALTHCHECK']) {
        const [text] = raw(keyword);
        assert.match(text ?? '', /\["node", .*\]$/, keyword);
      }
    });

    it('names a version of each image it is made from', () => {
      const images = of(dockerfile.getInstructions(), 'ARG').map((one) => wordsOf(one)[0]!.split('='));
      const defaults = images.filter(([name]) => name!.endsWith('_IMAGE')).map(([, image]) => image!);
      assert.equal(defaults.length, 2);
      for (const image of defaults) assert.match(image, /24/, image);
    });

    it('installs before it copies sources, so that a change of a source installs nothing', () => {
      const steps = build!.map((one) => `${one.getKeyword()} ${one.getRawArgumentsContent()}`);
      const install = steps.findIndex((step) => step.startsWith('RUN npm ci'));
      const before = steps.slice(0, install).filter((step) => step.startsWith('COPY'));
      assert.deepEqual(before, ['COPY package.json package-lock.json ./']);
      const program = raw('COPY').at(-1);
      assert.match(program!, / dist$/, 'what changes most is copied last');
    });

    it('copies only what .dockerignore admits, and has no place for a secret', () => {
      for (const copy of of(build, 'COPY'))
        for (const path of wordsOf(copy).slice(0, -1))
          assert.ok(admitted().includes(path), `${path} stays out`);
      for (const one of dockerfile.getInstructions())
        if (['ARG', 'ENV'].includes(one.getKeyword()))
          assert.doesNotMatch(one.getRawArgumentsContent() ?? '', /token|password|secret|DATABASE__URL/i);
    });
  });
}

describe('Dockerfile.api', () => {
  it('runs for production unless told otherwise, and is asked for its health through the role healthcheck', () => {
    const [, final] = stagesOf(parseDockerfile('Dockerfile.api'));
    const text = (keyword: string) =>
      final!.filter((one) => one.getKeyword() === keyword).map((one) => one.getRawArgumentsContent());
    assert.ok(text('ENV').some((env) => env?.includes(`${ENV.environment}=production`)));
    assert.ok(text('ENV').some((env) => env?.includes(`${CONTAINER_ENV}=true`)));
    assert.match(text('HEALTHCHECK')[0]!, /"healthcheck"\]$/);
    assert.deepEqual(text('CMD'), ['["serve"]']);
  });

  it('is not built of a migration that was changed, is out of order, or that lint refuses', () => {
    const [build] = stagesOf(parseDockerfile('Dockerfile.api'));
    const steps = build!.map((one) => `${one.getKeyword()} ${one.getRawArgumentsContent()}`);
    const compiled = steps.findIndex((step) => /^RUN .*\/tsc /.test(step));
    assert.match(
      steps[compiled + 1] ?? '',
      /^RUN node dist\/scripts\/migration-registry\.js && .*migrate lint/,
    );
  });
});
