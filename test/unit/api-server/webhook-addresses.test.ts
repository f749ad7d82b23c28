import 'reflect-metadata';
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { isPublic, refusePrivateHost } from '../../../api-server/http/private-addresses.js';
import { blockedPortOf } from '../../../api-server/modules/webhooks/blocked-ports.js';
import { WebhookService } from '../../../api-server/modules/webhooks/webhook.service.js';

/** Prefixes of IANA's special-purpose address registries that are not globally reachable, and their last addresses. */
const SPECIAL = {
  ipv4: [
    ['0.0.0.0', '0.255.255.255'],
    ['10.0.0.0', '10.255.255.255'],
    ['100.64.0.0', '100.127.255.255'],
    ['127.0.0.0', '127.255.255.255'],
    ['169.254.0.0', '169.254.255.255'],
    ['172.16.0.0', '172.31.255.255'],
    ['192.0.0.0', '192.0.0.255'],
    ['192.0.2.0', '192.0.2.255'],
    ['192.88.99.0', '192.88.99.255'],
    ['192.168.0.0', '192.168.255.255'],
    ['198.18.0.0', '198.19.255.255'],
    ['198.51.100.0', '198.51.100.255'],
    ['203.0.113.0', '203.0.113.255'],
    ['224.0.0.0', '239.255.255.255'],
    ['240.0.0.0', '255.255.255.255'],
  ],
  ipv6: [
    ['::', '::1'],
    ['::1.2.3.4', '::255.255.255.255'],
    ['::ffff:0:0:0', '::ffff:0:255.255.255.255'],
    ['64:ff9b::', '64:ff9b::255.255.255.255'],
    ['64:ff9b:1::', '64:ff9b:1:ffff:ffff:ffff:ffff:ffff'],
    ['100::', '100::ffff:ffff:ffff:ffff'],
    ['100:0:0:1::', '100:0:0:1:ffff:ffff:ffff:ffff'],
    ['2001::', '2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['2002::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['3fff::', '3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['5f00::', '5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['fe80::', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['fec0::', 'feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
    ['ff00::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ],
};

/** Metadata services of cloud platforms, in every notation of an address. */
const METADATA_HOSTS = [
  '169.254.169.254',
  '169.254.169.254.',
  '169.254.43518',
  '169.16689662',
  '2852039166',
  '0xA9FEA9FE',
  '0xa9.0xfe.0xa9.0xfe',
  '0251.0376.0251.0376',
  '025177524776',
  '0xa9.254.0251.254',
  '%31%36%39.254.169.254',
  '１６９．２５４．１６９．２５４',
  '①⑥⑨.②⑤④.①⑥⑨.②⑤④',
  '169。254。169。254',
  '[::169.254.169.254]',
  '[::ffff:169.254.169.254]',
  '[::FFFF:A9FE:A9FE]',
  '[0:0:0:0:0:ffff:a9fe:a9fe]',
  '[::ffff:0:169.254.169.254]',
  '[64:ff9b::169.254.169.254]',
  '[64:ff9b:1::a9fe:a9fe]',
  '[2002:a9fe:a9fe::]',
  '[2001:0:a9fe:a9fe::1]',
  '[fe80::a9fe:a9fe]',
  '[fec0::a9fe:a9fe]',
  '[fd00:ec2::254]', // Amazon Web Services
  '[fd20:ce::254]', // Google Cloud
  '100.100.100.200', // Alibaba Cloud
  '192.0.0.192', // Oracle Cloud
  '168.63.129.16', // Azure
  '[::ffff:168.63.129.16]',
];

describe('webhook addresses', () => {
  const service = new WebhookService(undefined as never, { allowPrivate: false });
  const create = (url: string, rules = service) => rules.create({ url, events: [] });
  const isRejected = (message: RegExp) => (error: Error & { extensions?: { code?: string } }) =>
    error.extensions?.code === 'BAD_USER_INPUT' && message.test(error.message);

  it('isPublic: rejects the first and last address of every special-purpose prefix', () => {
    const wrong = [...SPECIAL.ipv4, ...SPECIAL.ipv6].flat().filter(isPublic);
    assert.deepEqual(wrong, []);
    assert.equal(isPublic('fe80::1%eth0'), false);
  });

  it('isPublic: accepts global unicast addresses, also next to special-purpose prefixes', () => {
    const addresses = [
      ...['1.0.0.0', '8.8.8.8', '9.255.255.255', '11.0.0.0', '172.15.255.255', '172.32.0.0', '192.0.1.0'],
      ...['169.253.255.255', '169.255.0.0', '168.63.129.15', '223.255.255.255', '::ffff:8.8.8.8'],
      ...['2001:200::', '2606:4700::1111', '2a00:1450:4001:800::200e', '2003::1', '3ffe:ffff::1'],
    ];
    assert.deepEqual(
      addresses.filter((address) => !isPublic(address)),
      [],
    );
  });

  for (const host of METADATA_HOSTS) {
    it(`createWebhook: rejects the metadata address https://${host}/`, async () => {
      await assert.rejects(create(`https://${host}/`), isRejected(/private network/));
      assert.throws(() => refusePrivateHost(new URL(`https://${host}/`).hostname), /private network/);
    });
  }

  it('createWebhook: rejects ports to which fetch never connects, also in development', async () => {
    const development = new WebhookService(undefined as never, { allowPrivate: true });
    for (const port of [0, 22, 25, 6000, 6667, 10080]) {
      const message = new RegExp(`input\\.url: must not have the port ${port},`);
      await assert.rejects(create(`https://example.com:${port}/`), isRejected(message));
      await assert.rejects(create(`http://127.0.0.1:${port}/`, development), isRejected(message));
    }
  });

  it('blockedPortOf: returns the ports that undici blocks, and port 0', () => {
    const require = createRequire(import.meta.url);
    const { badPortsSet } = require('undici/lib/web/fetch/constants.js') as { badPortsSet: Set<string> };
    const all = Array.from({ length: 65_536 }, (_, port) => String(port));
    const blocked = all.filter((port) => blockedPortOf(new URL(`http://example.com:${port}/`)));
    assert.ok(badPortsSet.size > 80, 'the list of undici is not found');
    assert.deepEqual(
      blocked,
      ['0', ...badPortsSet].sort((a, b) => Number(a) - Number(b)),
    );
  });
});
