/** `kubectl pcf render`: every object that the operator would make, without a cluster. */
import { Command } from 'commander';
import { stringify } from 'yaml';
import { KUBERNETES_YAML } from '../operator/api/v1alpha1/kubernetes.js';
import { render } from '../operator/reconciler/render.js';
import type { KubeObject } from '../operator/runtime/kube-types.js';
import { readManifests } from './manifest.js';
import { printJson } from './output.js';

export function renderCommand(): Command {
  return new Command('render')
    .description('Print every object that the operator makes from a PcfApi file. Needs no cluster.')
    .requiredOption('-f, --filename <file>', 'file with PcfApi objects; - for standard input')
    .option('-n, --namespace <name>', 'namespace of those that name none (default: "default")')
    .option('-o, --output <format>', 'yaml or json', 'yaml')
    .addHelpText(
      'after',
      `
The rules across fields are the API server's to check:
  $ kubectl pcf render -f pcfapi.yaml | kubectl apply --dry-run=server -f -`,
    )
    .action(({ filename, namespace, output }: { filename: string; namespace?: string; output: string }) => {
      const objects = readManifests(filename, { asked: namespace }).flatMap((api) =>
        render(api).map(ownerless),
      );
      if (output === 'json') printJson({ apiVersion: 'v1', kind: 'List', items: objects });
      else process.stdout.write(objects.map((object) => stringify(object, KUBERNETES_YAML)).join('---\n'));
    });
}

/** Their owner is not in a cluster yet, so it has no uid to be named by. */
function ownerless(object: KubeObject): KubeObject {
  const { ownerReferences, ...metadata } = object.metadata;
  // Without what is undefined: YAML would print it as null.
  return JSON.parse(JSON.stringify({ ...object, metadata })) as KubeObject;
}
