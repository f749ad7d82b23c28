import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { rightsFor } from '../../cli/doctor/cluster-checks.js';
import { versionFinding } from '../../cli/doctor/data-checks.js';
import { pcfApi } from '../support/fixtures/fixtures.js';
import { HttpEndpoint } from '../support/servers/http-endpoint.js';

const refusal = (code: number, reason: string) => ({
  status: code,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ kind: 'Status', code, reason, message: reason }),
});

describe('RBAC permissions that kubectl pcf doctor checks', () => {
  interface Rule {
    apiGroups: string[];
    resources: string[];
    verbs: string[];
  }
  const rules = parse(readFileSync('deploy/helm/pcf-operator/files/rbac-rules.yaml', 'utf8')) as Rule[];
  const checked = rightsFor(pcfApi()).map(({ group, resource, subresource, verb }) => ({
    ...{ group, verb, resource: subresource ? `${resource}/${subresource}` : resource },
  }));

  it('are all granted by the Helm chart', () => {
    for (const { group, resource, verb } of checked) {
      const isGiven = rules.some(
        ({ apiGroups, resources, verbs }) =>
          apiGroups.includes(group) && resources.includes(resource) && verbs.includes(verb),
      );
      assert.ok(isGiven, `${verb} ${resource} ${group}`);
    }
  });

  it('include all verbs on Events that the Helm chart grants', () => {
    const given = rules.find(({ resources }) => resources.includes('events'));
    const verbs = checked.filter(({ resource }) => resource === 'events').map(({ verb }) => verb);
    assert.deepEqual(verbs, given?.verbs);
  });
});

describe('kubectl pcf doctor', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pcf-doctor-'));
  let server: HttpEndpoint;

  before(async () => {
    server = await HttpEndpoint.start(true);
  });
  after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  /** Returns the output of `kubectl pcf doctor` for a PcfApi in a file. */
  const doctor = (file: string) => run('-f', file);

  async function run(...what: string[]): Promise<string> {
    const kubeconfig = join(folder, 'kubeconfig');
    const authority = Buffer.from(server.ca).toString('base64');
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [
          { name: 'bare', cluster: { server: server.url, 'certificate-authority-data': authority } },
        ],
        users: [{ name: 'me', user: { token: 'a' } }],
        contexts: [{ name: 'bare', context: { cluster: 'bare', user: 'me' } }],
        'current-context': 'bare',
      }),
    );
    const args = ['dist/bundle/cli/bin.js', 'doctor', ...what, '--kubeconfig', kubeconfig];
    const child = spawn(process.execPath, args, { env: { ...process.env, NO_COLOR: '1' } });
    const [out, problems] = await Promise.all(
      [child.stdout, child.stderr].map((stream) => stream.setEncoding('utf8').toArray()),
    );
    assert.deepEqual(problems, []);
    return out!.join('');
  }

  it('reports missing PcfApi and optional CRDs, and a missing operator', async () => {
    server.answer = ({ method }) => (method === 'GET' ? refusal(404, 'NotFound') : refusal(403, 'Forbidden'));
    const out = await doctor('deploy/samples/production.yaml');
    assert.match(out, /✗ +PcfApi CRD +it is not installed, or does not serve version v1alpha1/);
    assert.match(out, /PcfApi CRD: kubectl apply --server-side -f crds\//);
    assert.match(out, /✗ +kinds +the cluster has no .*VirtualService \(networking\.istio\.io\)/);
    assert.match(out, /✗ +operator +namespace \S+ has no operator with leadership/);
    assert.match(out, /- +operator permissions +your account may not create/);
  });

  it('reports a missing Secret of envFrom, except an optional one', async () => {
    server.answer = ({ method }) => (method === 'GET' ? refusal(404, 'NotFound') : refusal(403, 'Forbidden'));
    const file = join(folder, 'env-from.yaml');
    const minimal = readFileSync('deploy/samples/minimal.yaml', 'utf8');
    writeFileSync(
      file,
      `${minimal}  envFrom: [{ secretRef: { name: vendor } }, { secretRef: { name: spare, optional: true } }]\n`,
    );
    const out = await doctor(file);
    assert.match(out, /✗ +Secret vendor +does not exist/);
    assert.match(out, /kubectl create secret generic vendor -n \S+ --from-literal=\.\.\./);
    assert.doesNotMatch(out, /Secret spare/);
  });

  it('does not report a missing Secret with signing keys that the operator generates', async () => {
    server.answer = ({ method }) => (method === 'GET' ? refusal(404, 'NotFound') : refusal(403, 'Forbidden'));
    const file = join(folder, 'rotation.yaml');
    const minimal = readFileSync('deploy/samples/minimal.yaml', 'utf8');
    const auth = (rotation: string) => `  auth: { jwtSecretRef: { name: api-jwt }, rotation: ${rotation} }\n`;
    writeFileSync(file, `${minimal}${auth('{ interval: 720h }')}`);
    assert.match(await doctor(file), /✓ +Secret api-jwt +the operator creates it/);
    writeFileSync(file, `${minimal}${auth('{ overlap: 1h }')}`);
    assert.match(await doctor(file), /✗ +Secret api-jwt +does not exist/);
  });

  it('reports a Gateway or class that does not exist, and a class without a feature that the spec requires', async () => {
    const file = join(folder, 'gateway.yaml');
    const minimal = readFileSync('deploy/samples/minimal.yaml', 'utf8');
    const traffic = '{ provider: GatewayAPI, hosts: [a.example.com], gateways: [infra/public] }';
    writeFileSync(file, `${minimal}  traffic: ${traffic}\n  strategy: { canary: { mirror: 10 } }\n`);
    const objects: Record<string, object> = {};
    server.answer = ({ method, path }) => {
      const object = objects[path.split('/').slice(-2).join('/')];
      if (object) return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(object) };
      return method === 'GET' ? refusal(404, 'NotFound') : refusal(403, 'Forbidden');
    };
    assert.match(await doctor(file), /✗ +gateway +Gateway infra\/public does not exist/);
    objects['gateways/public'] = { metadata: { name: 'public' }, spec: { gatewayClassName: 'kong' } };
    assert.match(await doctor(file), /✗ +gateway +GatewayClass kong does not exist/);
    const reporting = (...names: string[]) => {
      const supported = names.map((name) => ({ name }));
      objects['gatewayclasses/kong'] = {
        metadata: { name: 'kong' },
        status: { supportedFeatures: supported },
      };
    };
    reporting('HTTPRoute');
    assert.match(
      await doctor(file),
      /✗ +gateway +GatewayClass kong .* does not support HTTPRouteRequestPercentageMirror/,
    );
    reporting('HTTPRoute', 'HTTPRouteRequestPercentageMirror');
    assert.match(await doctor(file), /✓ +gateway +GatewayClass kong supports what the spec requires/);
  });

  it('reads a Prometheus that is a Service through the API server, and skips it without permission', async () => {
    const json = (body: object) => ({
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const proxy = '/api/v1/namespaces/monitoring/services/http:prometheus-operated:9090/proxy/thanos';
    let answer: ReturnType<typeof refusal> | undefined;
    server.answer = ({ method, path }) => {
      if (path.endsWith('/pcfapis/api')) return json(pcfApi());
      if (method === 'GET' && !path.includes('/namespaces/')) return refusal(404, 'NotFound');
      if (path.includes('/namespaces/platform/pods')) return json({ metadata: {}, items: [] });
      if (!path.startsWith(proxy)) return refusal(403, 'Forbidden');
      if (answer) return answer;
      const series = { metric: { pod: 'api-1' }, value: [0, '0'] };
      const data = path.includes('/rules') ? { groups: [] } : { resultType: 'vector', result: [series] };
      return json({ status: 'success', data });
    };
    const url = 'http://prometheus-operated.monitoring:9090/thanos/';
    const args = ['api', '-n', 'platform', '--prometheus', url];
    assert.match(await run(...args), /✗ +targets +Prometheus can't scrape api-1/);
    answer = refusal(503, 'ServiceUnavailable');
    assert.match(
      await run(...args),
      /✗ +targets +http:\S+ is not reachable through the API server: .*ServiceUnavailable/,
    );
    answer = refusal(403, 'Forbidden');
    assert.match(await run(...args), /- +targets +your account lacks permissions/);
  });

  it('rejects an unsupported PostgreSQL version', () => {
    const { outcome, message, remedy } = versionFinding('database', '13.22 (Debian 13.22-1)');
    assert.deepEqual([outcome, message], ['fail', 'PostgreSQL 13.22 (Debian 13.22-1) is too old']);
    assert.match(remedy ?? '', /version 14 or newer/);
    assert.equal(versionFinding('database', '14.0').outcome, 'ok');
    assert.equal(versionFinding('database', '18beta1').outcome, 'ok');
  });
});
