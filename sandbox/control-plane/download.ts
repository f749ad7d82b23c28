/** Downloads official releases, and verifies their published checksums. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EnvHttpProxyAgent, request } from 'undici';
import type { Progress } from '../process/go-build.js';
import { VERSIONS } from '../versions.js';

/**
 * Downloads all programs into `folder`, or none. Throws if the release is unreachable or a checksum differs.
 */
export async function download(folder: string, progress: Progress): Promise<void> {
  if (process.platform !== 'linux') throw new Error('Kubernetes publishes servers for Linux only');
  const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
  // In the same file system, because a rename can't cross file systems.
  mkdirSync(dirname(folder), { recursive: true });
  const staging = mkdtempSync(join(dirname(folder), '.download-'));
  try {
    for (const program of ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl']) {
      const url = `https://dl.k8s.io/release/${VERSIONS.kubernetes}/bin/linux/${arch}/${program}`;
      const expected = (await fetchBytes(`${url}.sha256`)).toString('utf8').trim();
      progress(`downloading ${program} ${VERSIONS.kubernetes}`);
      save(join(staging, program), verified(program, await fetchBytes(url), expected));
    }
    await downloadEtcd(staging, arch, progress);
    rmSync(folder, { recursive: true, force: true });
    renameSync(staging, folder);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

async function downloadEtcd(staging: string, arch: string, progress: Progress): Promise<void> {
  const base = `https://github.com/etcd-io/etcd/releases/download/${VERSIONS.etcd}`;
  const archive = `etcd-${VERSIONS.etcd}-linux-${arch}.tar.gz`;
  const sums = (await fetchBytes(`${base}/SHA256SUMS`)).toString('utf8');
  const expected = sums
    .split('\n')
    .find((line) => line.endsWith(archive))
    ?.split(/\s+/)[0];
  if (!expected) throw new Error(`no checksum is published for ${archive}`);
  progress(`downloading etcd ${VERSIONS.etcd}`);
  const path = join(staging, archive);
  writeFileSync(path, verified('etcd', await fetchBytes(`${base}/${archive}`), expected));
  execFileSync('tar', ['-xzf', path, '-C', staging]);
  copyFileSync(join(staging, archive.replace('.tar.gz', ''), 'etcd'), join(staging, 'etcd'));
  chmodSync(join(staging, 'etcd'), 0o755);
  rmSync(path);
  rmSync(join(staging, archive.replace('.tar.gz', '')), { recursive: true });
}

/** Uses a short connect timeout, and the proxy of the environment. */
const agent = new EnvHttpProxyAgent({ connect: { timeout: 4_000 } });

/** The content, if its SHA-256 matches. */
export function verified(name: string, bytes: Buffer, expected: string): Buffer {
  const actual = createHash('sha256').update(bytes).digest('hex');
  if (actual !== expected) throw new Error(`checksum of ${name} is ${actual}, not ${expected} as published`);
  return bytes;
}

/** GET with redirects. Throws for any status other than 200. */
export async function fetchBytes(url: string, redirects = 5): Promise<Buffer> {
  const response = await request(url, {
    dispatcher: agent,
    headersTimeout: 30_000,
    bodyTimeout: 60_000,
    signal: AbortSignal.timeout(10 * 60_000),
  }).catch((error: Error) => {
    throw new Error(`${new URL(url).host} can't be reached (${error.message || error.name})`);
  });
  const location = response.headers.location;
  if (
    response.statusCode >= 300 &&
    response.statusCode < 400 &&
    typeof location === 'string' &&
    redirects > 0
  ) {
    await response.body.dump();
    return fetchBytes(new URL(location, url).href, redirects - 1);
  }
  if (response.statusCode !== 200) throw new Error(`${url} answered ${response.statusCode}`);
  return Buffer.from(await response.body.arrayBuffer());
}

function save(path: string, bytes: Buffer): void {
  writeFileSync(path, bytes, { mode: 0o755 });
}
