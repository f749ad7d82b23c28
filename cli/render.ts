/** `kubectl pcf render`: prints the objects that the operator creates, without a cluster. */
import { Command } from 'commander';
import { stringify } from 'yaml';
import { KUBERNETES_YAML } from '../operator/api/v1alpha1/kubernetes.js';
import { render } from '../operator/reconciler/render.js';
import type { KubeObject } from '../operator/runtime/kube-types.js';
import { readManifests } from './manifest.js';
import { printJson } from './output.js';

export function renderCommand(): Command {
  return new Command('render')
    .description('Print the objects that the operator creates for a PcfApi file. Needs no cluster.')
    .requiredOption('-f, --filename <file>', 'file with PcfApi objects; - for standard input')
    .option('-n, --namespace <name>', 'namespace of objects without one (default: "default")')
    .option('-o, --output <format>', 'output format: yaml or json', 'yaml')
    .addHelpText(
      'after',
      `
The API server validates rules across fields:
  $ kubectl pcf render -f pcfapi.yaml | kubectl apply --dry-run=server -f -`,
    )
    .action(({ filename, namespace, output }: { filename: string; namespace?: string; output: string }) => {
      const objects = readManifests(filename, { requested: namespace }).flatMap((api) =>
        render(api).map(ownerless),
      );
      if (output === 'json') printJson({ apiVersion: 'v1', kind: 'List', items: objects });
      else process.stdout.write(objects.map((object) => stringify(object, KUBERNETES_YAML)).join('---\n'));
    });
}

/** The owner is not in a cluster, so it has no uid for an owner reference. */
function ownerless(object: KubeObject): KubeObject {
  const { ownerReferences, ...metadata } = object.metadata;
  // Removes undefined values: YAML would print them as null.
  return JSON.parse(JSON.stringify({ ...object, metadata })) as KubeObject;
}
