import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { stringify } from 'yaml';
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { newTenant, START_TIMEOUT_MS, sharedSandbox } from '../../support/sandbox.js';

const good = {
  image: 'registry.example.com/pcf-api:1.0.0',
  database: { secretRef: { name: 'pcf-api-secrets' } },
};

/** What is wrong -> what the person who applies it must read. */
const refused: Record<string, [spec: object, message: RegExp, name?: string]> = {
  'an unknown field': [{ ...good, canaryWieght: 5 }, /unknown field "spec\.canaryWieght"/],
  'a nested unknown field': [
    { ...good, traffic: { provdier: 'Istio' } },
    /unknown field "spec\.traffic\.provdier"/,
  ],
  'a weight of 101': [
    { ...good, canaryWeight: 101 },
    /spec\.canaryWeight.*should be less than or equal to 100/,
  ],
  'a weight of -1': [
    { ...good, canaryWeight: -1 },
    /spec\.canaryWeight.*should be greater than or equal to 0/,
  ],
  'a weight that is no whole number': [{ ...good, canaryWeight: 1.5 }, /spec\.canaryWeight/],
  'an empty image': [{ ...good, image: '' }, /spec\.image/],
  'no image': [{ database: good.database }, /spec\.image: Required value/],
  'no database': [{ image: good.image }, /spec\.database: Required value/],
  'replicas of -1': [{ ...good, replicas: -1 }, /spec\.replicas.*should be greater than or equal to 0/],
  'an environment that is not there': [
    { ...good, environment: 'prod' },
    /spec\.environment.*supported values/,
  ],
  'Istio without a host': [{ ...good, traffic: { provider: 'Istio' } }, /hosts must name at least one host/],
  'Gateway API without a gateway': [
    { ...good, traffic: { provider: 'GatewayAPI', hosts: ['api.example.com'] } },
    /gateways must name at least one Gateway/,
  ],
  'a variable with two values': [
    { ...good, env: [{ name: 'A', value: 'x', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] },
    /give either value or valueFrom/,
  ],
  "a variable that is the operator's": [
    { ...good, env: [{ name: 'PCF_API__DATABASE__URL', value: 'postgresql://elsewhere' }] },
    /set by the operator/,
  ],
  'a deadline that is no duration': [
    { ...good, migrations: { deadline: 'soon' } },
    /spec\.migrations\.deadline/,
  ],
  'a quantity that is none': [
    { ...good, resources: { limits: { memory: 'lots' } } },
    /spec\.resources\.limits\.memory/,
  ],
  'a setting outside a section': [{ ...good, config: { debug: true } }, /spec\.config\.debug/],
  'a name too long for its Jobs': [good, /at most 40 characters/, 'a'.repeat(41)],
};

describe('the PcfApi CRD', () => {
  let sandbox: Sandbox;
  let namespace: string;

  before(async function () {
    this.timeout(START_TIMEOUT_MS);
    sandbox = await sharedSandbox();
    namespace = await newTenant(sandbox, 'crd');
  });

  function apply(spec: object, name = 'refused'): Promise<string> {
    const object = { apiVersion: 'pcf.dev/v1alpha1', kind: 'PcfApi', metadata: { name, namespace }, spec };
    return sandbox.parts.kubectl.apply(stringify(object), '--dry-run=server');
  }

  for (const [what, [spec, message, name]] of Object.entries(refused)) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(apply(spec, name), message);
    });
  }

  it('takes the smallest complete PcfApi', async () => {
    assert.match(await apply(good), /created/);
  });

  it('takes a quantity as a number', async () => {
    await apply({ ...good, resources: { requests: { cpu: 1 }, limits: { cpu: 2, memory: '1Gi' } } });
  });

  for (const file of readdirSync('deploy/samples')) {
    it(`takes deploy/samples/${file}`, async () => {
      const text = readFileSync(`deploy/samples/${file}`, 'utf8').replace(
        'namespace: platform',
        `namespace: ${namespace}`,
      );
      assert.match(await sandbox.parts.kubectl.apply(text, '--dry-run=server'), /created/);
    });
  }

  it('explains itself', async () => {
    const text = await sandbox.parts.kubectl.run(['explain', 'pcfapi.spec.canaryWeight']);
    assert.match(text, /Share of the traffic, in percent, that a new revision gets/);
  });
});
