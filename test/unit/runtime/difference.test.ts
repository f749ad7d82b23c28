import assert from 'node:assert/strict';
import { differences } from '../../../operator/runtime/difference.js';

/** A Deployment's part, cut down. */
function deployment() {
  return {
    spec: {
      replicas: 2,
      template: {
        spec: {
          containers: [
            {
              name: 'api',
              image: 'pcf:1.10',
              env: [
                { name: 'LOG_LEVEL', value: 'info' },
                { name: 'RATIO', value: '1.10' },
              ],
              resources: { requests: { cpu: '1000m', memory: '0.5Gi' }, limits: { cpu: 2 } },
            },
          ],
        },
      },
    },
  };
}

const container = 'spec.template.spec.containers[name=api]';

describe('differences', () => {
  it('are none between an object and itself', () => {
    assert.deepEqual(differences(deployment(), deployment()), []);
  });

  it('do not count what the server or another manager added', () => {
    const live = {
      ...deployment(),
      status: { replicas: 2 },
      spec: {
        ...deployment().spec,
        revisionHistoryLimit: 10,
        template: {
          spec: {
            restartPolicy: 'Always',
            containers: [
              { name: 'istio-proxy', image: 'proxy' },
              {
                ...deployment().spec.template.spec.containers[0],
                terminationMessagePath: '/dev/termination-log',
                env: [
                  { name: 'INJECTED', value: 'x' },
                  ...deployment().spec.template.spec.containers[0]!.env.toReversed(),
                ],
              },
            ],
          },
        },
      },
    };
    assert.deepEqual(differences(deployment(), live), []);
  });

  it('take quantities by their value', () => {
    const live = deployment();
    live.spec.template.spec.containers[0]!.resources = {
      requests: { cpu: '1', memory: '512Mi' },
      limits: { cpu: 2 },
    };
    assert.deepEqual(differences(deployment(), live), []);
    live.spec.template.spec.containers[0]!.resources.requests.cpu = '1001m';
    assert.deepEqual(differences(deployment(), live), [`${container}.resources.requests.cpu`]);
  });

  it('take other text as it is, though it looks like a quantity', () => {
    const live = deployment();
    live.spec.template.spec.containers[0]!.env[1]!.value = '1.1';
    assert.deepEqual(differences(deployment(), live), [`${container}.env[name=RATIO].value`]);
    const labels = (version: string) => ({ metadata: { labels: { version } } });
    assert.deepEqual(differences(labels('1.10'), labels('1.1')), ['metadata.labels.version']);
  });

  it('name what was changed and what is missing', () => {
    const live = deployment();
    live.spec.replicas = 5;
    live.spec.template.spec.containers[0]!.image = 'pcf:hacked';
    live.spec.template.spec.containers[0]!.env.shift();
    assert.deepEqual(differences(deployment(), live), [
      'spec.replicas',
      `${container}.image`,
      `${container}.env[name=LOG_LEVEL]`,
    ]);
    assert.deepEqual(differences(deployment(), { spec: { replicas: 2 } }), ['spec.template']);
    assert.deepEqual(differences({ spec: { paused: true } }, { spec: {} }), ['spec.paused']);
  });

  it('compare lists without a key by position and length', () => {
    const desired = { args: ['serve', '--port', '4000'] };
    assert.deepEqual(differences(desired, { args: ['serve', '--port', '4001'] }), ['args[2]']);
    assert.deepEqual(differences(desired, { args: ['serve', '--port', '4000', '--debug'] }), ['args']);
    assert.deepEqual(differences(desired, { args: ['serve'] }), ['args']);
  });

  it('tell two ports of one number apart', () => {
    const ports = [
      { port: 53, protocol: 'TCP' },
      { port: 53, protocol: 'UDP' },
    ];
    assert.deepEqual(differences({ ports }, { ports }), []);
    assert.notDeepEqual(differences({ ports }, { ports: ports.slice(0, 1) }), []);
  });

  it('see a backend that was added to a route: that list belongs to one manager', () => {
    const route = (...names: string[]) => ({ rules: [{ backendRefs: names.map((name) => ({ name })) }] });
    assert.deepEqual(differences(route('a'), route('a')), []);
    assert.deepEqual(differences(route('a'), route('a', 'b')), ['rules[0].backendRefs']);
  });

  it('take an empty value for a missing one', () => {
    const desired = { data: {}, list: [], text: '', off: false, none: undefined };
    assert.deepEqual(differences(desired, {}), []);
  });
});
