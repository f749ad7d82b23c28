import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { SecretKind } from '../../../operator/resources/kinds.js';
import { CONTAINER_SECURITY, POD_SECURITY } from '../../../operator/resources/pod-template.js';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { kubectlPcf, spawnPcf } from '../../support/cluster/kubectl-pcf.js';
import { eventually, image, TestApi } from '../../support/cluster/pcf-api.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/cluster/sandbox.js';
import { HttpEndpoint } from '../../support/servers/http-endpoint.js';

const small = `
apiVersion: pcf.dev/v1alpha1
kind: PcfApi
metadata: { name: small }
spec:
  image: ${image('1.0.0')}
  database: { secretRef: { name: pcf-api-secrets } }
`;

/** The response of a Loki that has logs of all pods of the query, or of none. */
function lokiAnswer(query: string, isComplete: boolean) {
  const pods = isComplete ? (/pod=~"([^"]*)"/.exec(query)?.[1]?.split('|') ?? []) : [];
  const result = pods.map((pod) => ({ metric: { pod }, value: [0, '12'] }));
  return { body: JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }) };
}

/** The response of a Prometheus with these figures of one pod, and without rules. */
function prometheusAnswer(path: string, figures: Record<'requests' | 'errors' | 'p50' | 'p99', number>) {
  const query = new URL(path, 'http://prometheus').searchParams.get('query') ?? '';
  if (path.startsWith('/loki')) return lokiAnswer(query, figures.p99 > 0.1);
  const value = query.startsWith('up')
    ? 1
    : query.includes('0.99')
      ? figures.p99
      : query.includes('0.5')
        ? figures.p50
        : query.includes('errors')
          ? figures.errors
          : figures.requests;
  const data = path.startsWith('/api/v1/rules')
    ? { groups: [] }
    : { resultType: 'vector', result: [{ metric: { pod: 'api-1' }, value: [0, String(value)] }] };
  return { body: JSON.stringify({ status: 'success', data }) };
}

describe('kubectl pcf', () => {
  let sandbox: Sandbox;
  let api: TestApi;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    api = await TestApi.create(sandbox, await newTenant(sandbox, 'cli'), { canaryWeight: 0 });
    await api.ready();
  });

  const pcf = (args: string[], input = '') => kubectlPcf(sandbox, args, input);
  const here = () => ['-n', api.namespace];

  it('weight --wait sets the weight and waits until it is in effect, and status shows it', async () => {
    await api.patch({ image: image('1.1.0') });
    await api.watch.until('the phase is Canary', (view) => view?.status?.phase === 'Canary');
    const moved = await pcf(['weight', api.name, '50', '--wait', ...here()]);
    assert.equal(moved.code, 0, moved.problems);
    assert.match(moved.out, /pcfapi\.pcf\.dev\/api canaryWeight 0 -> 50/);

    const shown = await pcf(['status', api.name, ...here()]);
    assert.match(shown.out, /desired 50 %, effective 50 % \(read back from the route\)/);
    assert.match(shown.out, /WeightChanged/);
    const all = JSON.parse((await pcf(['status', '-o', 'json', ...here()])).out);
    assert.equal(all[0].status.traffic.effectiveWeight, 50);
  });

  it('window shows what a freeze holds, and window override opens it with a recorded reason', async () => {
    await api.patch({ windows: { freeze: [{ reason: 'INC-4711' }] } });
    const awaitState = (state?: string) =>
      api.watch.until(`windows ${state}`, (view) => view?.status?.windows?.state === state);
    await awaitState('Closed');
    const shown = await pcf(['window', ...here()]);
    assert.match(
      shown.out,
      /api +Closed +- +spec\.windows +unknown +Start,Weight,Promotion,Contract,Purge +INC-4711/,
    );
    const [json] = JSON.parse((await pcf(['window', api.name, '-o', 'json', ...here()])).out);
    assert.deepEqual([json.name, json.state, json.closedBy[0].source], ['api', 'Closed', 'spec.windows']);

    const override = ['window', 'override', api.name, ...here()];
    const refused = await pcf(override);
    assert.deepEqual([refused.code, refused.problems.includes('needs --reason')], [1, true]);
    assert.equal((await pcf([...override, '--reason', 'x', '--for', '200h'])).code, 1);
    const done = await pcf([...override, '--reason', 'fix of the login', '--for', '30m']);
    assert.match(done.out, /overrides windows and freezes until .*: fix of the login/, done.problems);
    await awaitState('Overridden');
    const screen = (await pcf(['status', api.name, ...here()])).out;
    assert.match(screen, /overridden until .* by pcf-cli: fix of the login/);
    await eventually('the Event', async () =>
      /WindowOverridden +pcf-cli overrides .*fix of the login/.test(
        (await pcf(['status', api.name, ...here()])).out,
      ),
    );
    await pcf([...override, '--end']);
    await awaitState('Closed');
    await api.patch({ windows: null });
    await awaitState(undefined);
  });

  it('weight, pause and resume print the written PcfApi with -o json', async () => {
    const json = async (...args: string[]) =>
      JSON.parse((await pcf([...args, '-o', 'json', ...here()])).out) as {
        kind: string;
        metadata: { name: string };
        spec: { canaryWeight: number; paused: boolean };
      };
    const { kind, metadata, spec } = await json('weight', api.name, '40');
    assert.deepEqual([kind, metadata.name, spec.canaryWeight], ['PcfApi', api.name, 40]);
    assert.equal((await json('pause', api.name)).spec.paused, true);
    assert.equal((await json('resume', api.name)).spec.paused, false);
  });

  it('status --watch prints each change, and exits with code 0 on Ctrl-C', async () => {
    const watching = spawnPcf(sandbox, ['status', api.name, '--watch', ...here()]);
    await eventually('the first screen', () => /desired 40 %, effective 40 %/.test(watching.result.out));
    await api.patch({ canaryWeight: 60 });
    await eventually('the next screen', () => /desired 60 %, effective 60 %/.test(watching.result.out));
    assert.equal(watching.result.code, null, 'the process still runs');
    watching.child.kill('SIGINT');
    assert.deepEqual(await watching.ended, { ...watching.result, code: 0, problems: '' });
    const { code, problems } = await pcf(['status', '--watch', ...here()]);
    assert.deepEqual([code, problems], [1, 'error: --watch needs the name of a PcfApi\n']);
  });

  it('pauses and resumes a delivery', async () => {
    assert.equal((await pcf(['pause', api.name, ...here()])).out, 'pcfapi.pcf.dev/api paused\n');
    await api.reason('Paused');
    assert.equal((await pcf(['resume', api.name, ...here()])).code, 0);
    await api.reason('CanaryHolding');
  });

  it('fails for an unknown name or an invalid weight, and reports the valid values', async () => {
    const { code, out, problems } = await pcf(['weight', 'ap', '5', ...here()]);
    assert.equal(code, 1);
    assert.equal(out, '');
    assert.equal(problems, `error: there is no PcfApi "ap" in namespace ${api.namespace}; there is api\n`);
    assert.match((await pcf(['weight', api.name, '101', ...here()])).problems, /whole number from 0 to 100/);
  });

  it('render prints manifests that the API server accepts', async () => {
    const { out } = await pcf(['render', '-f', 'deploy/samples/production.yaml']);
    const text = out.replaceAll('namespace: platform', `namespace: ${api.namespace}`);
    const answer = await sandbox.parts.kubectl.apply(text, '--dry-run=server');
    assert.match(answer, /horizontalpodautoscaler\.autoscaling\/pcf-api created/);
  });

  it('import prints a PcfApi, and the fields that were not converted to standard error; --strict then fails', async () => {
    const rollout = readFileSync('test/fixtures/import/rollout.yaml', 'utf8');
    const args = ['import', 'rollout', '-f', '-', '-o', 'json', '--name', 'orders-api'];
    const { code, out, problems } = await pcf(args, rollout);
    assert.equal(code, 0, problems);
    assert.equal((JSON.parse(out) as { metadata: { name: string } }).metadata.name, 'orders-api');
    assert.match(
      problems,
      /^NotConverted +Rollout\/orders spec\.minReadySeconds +a ready pod is available at once/m,
    );
    assert.equal((await pcf([...args, '--strict'], rollout)).code, 1);
    const invalid = await pcf(args, 'a: 1');
    assert.deepEqual([invalid.code, invalid.out], [1, '']);
    assert.match(invalid.problems, /^error: -: a document has no apiVersion and kind/);
  });

  it('doctor --connect --from-pod reports no problem for a healthy PcfApi and its database', async () => {
    const { code, out } = await pcf(['doctor', api.name, '--connect', '--from-pod', ...here()]);
    assert.equal(code, 0, out);
    assert.match(out, /database +PostgreSQL 18/);
    assert.match(out, /✓ +network: database +127\.0\.0\.1:\d+ is reachable from api-\S+ in \d+ ms/);
    assert.match(out, /- +logs +the pods write JSON lines; use --loki URL/);
    assert.match(out, /- +targets +use --prometheus URL/);
    assert.match(out, /route +the route is in effect/);
  });

  it('doctor lists each missing object with the command that creates it', async () => {
    const namespace = await newTenant(sandbox, 'half');
    await sandbox.parts.client.delete(SecretKind, namespace, 'pcf-api-secrets');
    const half = `
apiVersion: pcf.dev/v1alpha1
kind: PcfApi
metadata: { name: half }
spec:
  image: ${image('1.0.0')}
  imagePullSecrets: [{ name: registry }]
  database: { secretRef: { name: pcf-api-secrets } }
  redis: { secretRef: { name: pcf-api-secrets } }
  traffic: { hosts: [half.example.com] }
  tls: { issuerRef: { name: letsencrypt } }
`;
    const { code, out } = await pcf(['doctor', '-f', '-', '-n', namespace], half);
    assert.equal(code, 1);
    for (const line of [
      /✗ +Secret pcf-api-secrets +does not exist/,
      new RegExp(
        `kubectl create secret generic pcf-api-secrets -n ${namespace} --from-literal=database-url=... --from-literal=redis-url=...`,
      ),
      /✗ +Secret registry +does not exist/,
      new RegExp(`kubectl create secret docker-registry registry -n ${namespace} `),
      /✗ +certificate issuer +ClusterIssuer letsencrypt does not exist/,
      /! +backup +no backup found/,
      /! +alerts /,
      /3 of \d+ checks failed/,
    ])
      assert.match(out, line);
    const findings = JSON.parse((await pcf(['doctor', '-f', '-', '-n', namespace, '-o', 'json'], half)).out);
    assert.equal(findings.filter(({ outcome }: { outcome: string }) => outcome === 'fail').length, 3);
  });

  it('doctor --connect reports an unreachable database without its password', async () => {
    const namespace = await newTenant(sandbox, 'nowhere');
    const url = Buffer.from('postgresql://nobody:secret@127.0.0.1:9/none').toString('base64');
    const data = { 'database-url': url };
    await sandbox.parts.client.patch(SecretKind, namespace, 'pcf-api-secrets', { data });
    const { code, out } = await pcf(['doctor', '-f', '-', '--connect', '-n', namespace], small);
    assert.equal(code, 1);
    assert.match(out, /✗ +database +unreachable from this machine: .*ECONNREFUSED/);
    assert.ok(!out.includes('secret@'), 'the output does not contain the password');
  });

  it('doctor skips checks that a user with permissions in one namespace cannot run, and runs the others', async () => {
    const { kubectl, cluster } = sandbox.parts;
    const at = ['-n', api.namespace];
    await kubectl.run(['create', 'serviceaccount', 'developer', ...at]);
    await kubectl.run(['create', 'role', 'developer', '--verb=get,list', '--resource=pcfapis,pods', ...at]);
    const account = `--serviceaccount=${api.namespace}:developer`;
    await kubectl.run(['create', 'rolebinding', 'developer', '--role=developer', account, ...at]);
    const token = (await kubectl.run(['create', 'token', 'developer', ...at])).trim();
    const kubeconfig = join(sandbox.stateDir, 'kubeconfig-developer');
    cluster.writeKubeconfigFor(kubeconfig, 'developer', token);
    const args = ['doctor', api.name, '--from-pod', '--kubeconfig', kubeconfig, ...at];
    const { out, problems } = await pcf(args);
    assert.equal(problems, '');
    for (const line of [
      /✓ +PcfApi CRD +v1alpha1 is served/,
      /- +operator +your account lacks permissions/,
      /- +operator permissions +your account may not create/,
      /- +Secret pcf-api-secrets +your account may not read it/,
      /- +alerts +your account lacks permissions/,
      /- +network +your account lacks permissions: .*pods\/exec/,
      /- +logs +your account lacks permissions/,
      /✓ +kinds /,
      /✓ +health /,
      /no check failed/,
    ])
      assert.match(out, line);
  });

  it('doctor checks the permissions of the ServiceAccount of the operator, with any name', async () => {
    const { kubectl } = sandbox.parts;
    const at = ['-n', 'pcf-system'];
    await kubectl.run(['create', 'serviceaccount', 'release-pcf-operator', ...at]);
    const leader = {
      apiVersion: 'v1',
      kind: 'Pod',
      // The Lease names this pod as its holder. The pod is not scheduled, because the leader runs outside.
      metadata: { name: hostname(), namespace: 'pcf-system' },
      spec: {
        serviceAccountName: 'release-pcf-operator',
        nodeSelector: { nowhere: 'to-be-found' },
        securityContext: POD_SECURITY,
        containers: [{ name: 'operator', image: 'pcf-operator', securityContext: CONTAINER_SECURITY }],
      },
    };
    await kubectl.apply([leader]);
    try {
      const { out } = await pcf(['doctor', api.name, ...here()]);
      assert.match(
        out,
        /✗ +operator permissions +release-pcf-operator may not .*patch pcfapis\/status\.pcf\.dev/,
      );
    } finally {
      await kubectl.run(['delete', 'pod', hostname(), ...at, '--grace-period=0', '--force']);
    }
  });

  it('wait needs permissions for PcfApis only, fails at its timeout, and ends at the promotion', async () => {
    const { kubectl, cluster } = sandbox.parts;
    const at = ['-n', api.namespace];
    await kubectl.run(['create', 'serviceaccount', 'deliver', ...at]);
    const rbac = readFileSync('deploy/ci/rbac.yaml', 'utf8');
    await kubectl.apply(rbac.replaceAll('namespace: platform', `namespace: ${api.namespace}`));
    const account = `--serviceaccount=${api.namespace}:deliver`;
    await kubectl.run(['create', 'rolebinding', 'deliver', '--role=pcf-deliver', account, ...at]);
    const token = (await kubectl.run(['create', 'token', 'deliver', ...at])).trim();
    const kubeconfig = join(sandbox.stateDir, 'kubeconfig-deliver');
    cluster.writeKubeconfigFor(kubeconfig, 'deliver', token);
    const wait = ['wait', api.name, '--image', image('1.1.0'), '--kubeconfig', kubeconfig, ...at];

    await api.patch({ image: image('1.1.0'), canaryWeight: 60 });
    await api.reason('CanaryHolding');
    const late = await pcf([...wait, '--timeout', '10']);
    assert.equal(late.code, 1);
    assert.match(late.problems, /error: \S+:1\.1\.0 is not promoted after 10 s: .* receives \d+ %/);

    const waiting = pcf([...wait, '--timeout', '60']);
    await api.patch({ canaryWeight: 100 });
    const { code, out, problems } = await waiting;
    assert.equal(code, 0, problems);
    assert.equal(out, `pcfapi.pcf.dev/api ${image('1.1.0')} promoted\n`);
  }).timeout(180_000);

  it('baseline records the figures of the stable revision, and doctor reports later ones that are worse', async () => {
    const server = await HttpEndpoint.start();
    const figures = { requests: 7200, errors: 0, p50: 0.01, p99: 0.1 };
    server.answer = ({ path }) => prometheusAnswer(path, figures);
    const at = [api.name, '--prometheus', server.url, ...here()];
    try {
      const recorded = await pcf(['baseline', ...at]);
      assert.match(
        recorded.out,
        /^api-\S+: \S+ requests\/s, errors 0 %, p50 10 ms, p99 100 ms in \d+[sm]$/m,
        recorded.problems,
      );
      const same = await pcf(['doctor', '--loki', server.url, ...at]);
      assert.match(same.out, /✓ +baseline +\S+ requests\/s, .*; not worse than the baseline recorded/);
      assert.match(same.out, /✗ +targets +Prometheus has no target for api-\S+/);
      assert.match(same.out, /✗ +logs +Loki has no logs of api-\S+ in the last 15m/);
      assert.match(same.out, /✗ +alert rules +Prometheus has not loaded the alert PcfApiFailed/);
      figures.p99 = 0.4;
      const slower = await pcf(['doctor', '--loki', server.url, ...at]);
      assert.match(slower.out, /✓ +logs +Loki has logs of all 1 pods/);
      assert.match(slower.out, /✗ +baseline +worse than the baseline recorded: p99 400 ms instead of 100 ms/);
      figures.requests = 20;
      const few = await pcf(['baseline', ...at]);
      assert.deepEqual([few.code, few.out], [1, '']);
      assert.match(few.problems, /has served 20 GraphQL requests in \d+[sm], fewer than 100/);
      server.answer = { status: 503 };
      const broken = await pcf(['doctor', ...at]);
      assert.match(broken.out, /✗ +targets +http:\S+ returned status 503/);
    } finally {
      await server.stop();
    }
  });
});
