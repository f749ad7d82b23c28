/** The manifest of `kubectl pcf` for Krew, the package manager of kubectl plugins. */
import { stringify } from 'yaml';

/** `checksums` is the output of sha256sum. Archives are named `kubectl-pcf_<version>_<os>_<arch>.tar.gz`. */
export function krewManifest(repository: string, version: string, checksums: string): string {
  const archives = checksums
    .split('\n')
    .map((line) => /^([0-9a-f]{64}) [ *](kubectl-pcf_\S+_([a-z]+)_([a-z0-9]+)\.tar\.gz)$/.exec(line))
    .filter((match) => match !== null);
  if (archives.length === 0) throw new Error('the checksums contain no archive of kubectl-pcf');
  return stringify({
    apiVersion: 'krew.googlecontainertools.github.com/v1alpha2',
    kind: 'Plugin',
    metadata: { name: 'pcf' },
    spec: {
      version: `v${version}`,
      homepage: `https://github.com/${repository}`,
      shortDescription: 'Inspect and control deliveries of PcfApis',
      description:
        'Shows the status of PcfApis and controls their deliveries: weights, pauses, promotions, aborts, rollbacks and migrations. The cluster needs pcf-operator.\n',
      platforms: archives.map(([, sha256, file, os, arch]) => ({
        selector: { matchLabels: { os, arch } },
        uri: `https://github.com/${repository}/releases/download/v${version}/${file}`,
        sha256,
        bin: 'kubectl-pcf',
      })),
    },
  });
}
