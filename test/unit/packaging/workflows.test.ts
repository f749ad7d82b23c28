import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';

interface Step {
  uses?: string;
  run?: string;
  env?: Record<string, unknown>;
  with?: Record<string, unknown>;
}

interface Job {
  permissions?: Record<string, string>;
  'timeout-minutes'?: number;
  steps: Step[];
}

interface Workflow {
  on: Record<string, unknown>;
  permissions?: Record<string, string>;
  jobs: Record<string, Job>;
}

const files = [...globSync('.github/workflows/*.yml'), ...globSync('deploy/ci/github/*.yml')].sort();
const gitlab = globSync('deploy/ci/gitlab/*.yml').sort();
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };

/** npm scripts that exist in every package. */
const NPM_COMMANDS = /npm run (?:--\S+ )*([\w:-]+)/g;

/** Paths of this repository in commands: compiled files are checked by their sources. */
const PATHS =
  /(?:^|[\s"'=./])((?:dist|deploy|test|scripts|operator)\/[\w./-]*\w\.(?:js|ts|sh|yaml|yml)|Dockerfile\.\w+)/gm;

const sourceOf = (path: string) => path.replace(/^dist\/(.*)\.js$/, '$1.ts');

/** Prints a variable whose name is that of a credential. */
const PRINTS_A_SECRET =
  /\b(echo|printf|cat|env|printenv)\b[^|>\n]*\$\{?\w*(TOKEN|PASSWORD|SECRET)\w*\}?[^|>\n]*$/m;

function commandProblems(commands: string): string[] {
  const scriptProblems = [...commands.matchAll(NPM_COMMANDS)]
    .map(([, name]) => name!)
    .filter((name) => !(name in scripts))
    .map((name) => `package.json has no script ${name}`);
  const pathProblems = [...commands.matchAll(PATHS)]
    .map(([, path]) => sourceOf(path!))
    .filter((path) => !existsSync(path))
    .map((path) => `${path} does not exist`);
  const secrets = [PRINTS_A_SECRET, /\bset -\w*x/].filter((pattern) => pattern.test(commands));
  return [...scriptProblems, ...pathProblems, ...secrets.map((pattern) => `matches ${pattern}`)];
}

describe('commandProblems', () => {
  it('finds missing npm scripts, missing files, and commands that print a secret', () => {
    assert.deepEqual(commandProblems('npm run lint && node dist/scripts/generate.js'), []);
    assert.equal(commandProblems('npm run lnt').length, 1);
    assert.equal(commandProblems('node dist/scripts/missing.js').length, 1);
    assert.equal(commandProblems('kubectl apply -f test/kind/missing.yaml').length, 1);
    assert.equal(commandProblems('echo "$NPM_TOKEN"').length, 1);
    assert.deepEqual(commandProblems('printf %s "$TOKEN" | docker login --password-stdin'), []);
  });
});

describe('GitHub workflows', () => {
  it('are found', () => assert.ok(files.length >= 9, files.join()));

  for (const file of files) {
    describe(file, () => {
      const text = readFileSync(file, 'utf8');
      const workflow = parse(text) as Workflow;
      const jobs = Object.entries(workflow.jobs);
      const steps = jobs.flatMap(([, job]) => job.steps);

      it('grants only read access to all jobs, and a job only the permissions that it lists', () => {
        assert.deepEqual(workflow.permissions, { contents: 'read' });
        for (const [name, { permissions = {} }] of jobs)
          for (const access of Object.values(permissions)) assert.match(access, /^(read|write)$/, name);
      });

      it('does not run code of a pull request with access to secrets', () => {
        for (const event of ['pull_request_target', 'workflow_run'])
          assert.ok(!(event in workflow.on), event);
        const isForPullRequests = 'pull_request' in workflow.on;
        const writes = jobs.flatMap(([, { permissions = {} }]) =>
          Object.entries(permissions).filter(
            ([scope, access]) => access === 'write' && scope !== 'security-events',
          ),
        );
        if (isForPullRequests) assert.deepEqual(writes, []);
      });

      it('pins each action by its commit, with the version in a comment', () => {
        for (const line of text.split('\n').filter((line) => /\buses:/.test(line)))
          assert.match(line, /uses: [\w-]+\/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, line);
      });

      it('uses no secret but the token of the run, which no checkout stores', () => {
        for (const [, name] of text.matchAll(/secrets\.(\w+)/g)) assert.equal(name, 'GITHUB_TOKEN');
        for (const step of steps.filter(({ uses }) => uses?.startsWith('actions/checkout@')))
          assert.equal(step.with?.['persist-credentials'], false);
      });

      it('has commands without expressions, which could inject code, and prints no secret', () => {
        for (const { run = '' } of steps) {
          assert.doesNotMatch(run, /\$\{\{/);
          assert.deepEqual(commandProblems(run), [], run);
        }
      });

      it('lists the variables that it reads in its first comment', () => {
        const comment = text.slice(0, text.indexOf('\nname:'));
        for (const [, name] of text.matchAll(/\bvars\.(\w+)/g))
          assert.match(comment, new RegExp(`\\b${name}\\b`));
      });

      it('limits the time of each job', () => {
        for (const [name, job] of jobs) assert.ok(job['timeout-minutes'], name);
      });
    });
  }
});

describe('GitLab pipelines', () => {
  for (const file of gitlab) {
    it(`${file}: is valid YAML, stores no key, and prints no secret`, () => {
      const text = readFileSync(file, 'utf8');
      const jobs = Object.values(
        parse(text) as Record<string, { script?: string[]; before_script?: string[] }>,
      );
      const commands = jobs.flatMap(({ script = [], before_script = [] }) => [...before_script, ...script]);
      assert.deepEqual(commandProblems(commands.join('\n')), []);
      assert.doesNotMatch(text, /SECRET_ACCESS_KEY|credentials_json|CLIENT_SECRET/);
    });
  }

  it('exchange the token of the job for credentials of the cloud', () => {
    for (const file of gitlab.filter((name) => !name.endsWith('/deliver.yml'))) {
      const { deliver } = parse(readFileSync(file, 'utf8')) as { deliver: Record<string, unknown> };
      assert.equal(deliver.extends, '.deliver', file);
      assert.ok(deliver.id_tokens, file);
    }
  });
});
