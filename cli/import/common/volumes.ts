/** Converts volumes of a pod and their mounts. */
import { OPERATOR_VOLUMES } from '../../../operator/api/v1alpha1/spec/volumes.js';
import type { Conversion } from '../conversion.js';
import type { Field } from '../source.js';

/** Fields of volume sources that PcfApi has. */
const SOURCES: Record<string, string[]> = {
  configMap: ['name', 'items', 'optional'],
  secret: ['secretName', 'items', 'optional'],
  persistentVolumeClaim: ['claimName', 'readOnly'],
  csi: ['driver', 'readOnly', 'volumeAttributes'],
  emptyDir: ['sizeLimit'],
};
const RESERVED_PATHS = ['/app', '/etc/pcf', '/tmp'];
const SYSTEM_PATHS = ['/dev', '/etc', '/proc', '/sys', '/usr', '/var'];

/** Converts the volumes that the container mounts. Others have no effect and are reported. */
export function convertVolumes(conversion: Conversion, volumes: Field, mounts: Field): void {
  const converted = new Set<string>();
  const mounted = mounts.items().filter((mount) => isMountable(mount));
  for (const volume of volumes.items()) {
    const name = String(volume.at('name').value);
    const isUsed = mounted.some((mount) => mount.at('name').value === name);
    if (convertVolume(conversion, volume, isUsed)) converted.add(name);
  }
  for (const mount of mounted) {
    if (!converted.has(String(mount.at('name').value)))
      mount.note('NotConverted', 'its volume was not converted');
    else conversion.spec.append(['volumeMounts'], mount.whole(), mount);
  }
}

function isMountable(mount: Field): boolean {
  const path = String(mount.at('mountPath').value).replace(/(.)\/+$/, '$1');
  if (path === '/tmp') {
    mount.note('NotNeeded', 'the operator mounts a volume at /tmp; spec.tmp has its size');
    return false;
  }
  const isReserved = RESERVED_PATHS.some((it) => path === it || path.startsWith(`${it}/`));
  if (!isReserved && !SYSTEM_PATHS.includes(path)) return true;
  mount.note(
    'NotConverted',
    'the image or the operator uses this path',
    'mount it at another path, such as /mnt/data',
  );
  return false;
}

function convertVolume(conversion: Conversion, volume: Field, isUsed: boolean): boolean {
  if (!isUsed) {
    volume.note('NotConverted', 'the container of the API does not mount it');
    return false;
  }
  const name = volume.at('name');
  if ((OPERATOR_VOLUMES as readonly string[]).includes(String(name.value))) {
    volume.note('NotConverted', 'the operator adds a volume of this name', 'rename the volume');
    return false;
  }
  const [kind] = volume.entries().find(([key]) => SOURCES[key]) ?? [];
  if (!kind) {
    volume.note(
      'NotConverted',
      `PcfApi has volumes of ${Object.keys(SOURCES).join(', ')}`,
      'use one of these',
    );
    return false;
  }
  volume.at(kind).noteDefaults({ defaultMode: 420 });
  const known = SOURCES[kind]!.map((key): [string, unknown] => [key, volume.at(kind, key).whole()]);
  const source = Object.fromEntries(known.filter(([, value]) => value !== undefined));
  if (volume.at(kind).entries().length === 0) volume.at(kind).cover();
  conversion.spec.append(['volumes'], { name: name.text(), [kind]: source }, volume);
  return true;
}
