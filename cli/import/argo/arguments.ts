/** Arguments of AnalysisTemplates. */
import type { Field } from '../source.js';

/** Fields of the Rollout that a placeholder of PcfApi replaces. */
const FIELD_REFS: Record<string, string> = {
  'metadata.name': '{{name}}',
  'metadata.namespace': '{{namespace}}',
};
const HASHES: Record<string, string> = { Latest: '{{revision}}', Stable: '{{stableRevision}}' };
const REFERENCE = /\{\{\s*args\.([\w.-]+)\s*\}\}/g;

/** Arguments that an analysis gives to its templates. */
export class GivenArguments {
  readonly #fields: ReadonlyMap<string, Field>;
  readonly #used = new Set<string>();

  constructor(list: Field) {
    this.#fields = byName(list);
  }

  get(name: string): Field | undefined {
    return this.#fields.get(name);
  }

  use(name: string): void {
    this.#used.add(name);
  }

  /** Reports the arguments without effect, after the conversion of all templates. */
  report(): void {
    for (const [name, field] of this.#fields) {
      if (this.#used.has(name)) reportHash(field);
      else field.note('NotNeeded', 'no converted metric uses the argument');
    }
  }
}

/** Arguments of one template. */
export class Arguments {
  readonly #declared: ReadonlyMap<string, Field>;
  readonly #used = new Set<string>();
  readonly #pending = new Set<string>();

  constructor(
    list: Field,
    readonly given: GivenArguments,
  ) {
    this.#declared = byName(list);
  }

  /** Replaces `{{args.name}}`. Undefined if an argument has no value that can be converted. */
  resolve(text: string): string | undefined {
    let isResolved = true;
    const resolved = text.replace(REFERENCE, (_, name: string) => {
      const value = this.#value(name);
      this.#pending.add(name);
      isResolved &&= value !== undefined;
      return value ?? '';
    });
    return isResolved ? resolved : undefined;
  }

  /** Finishes a metric. Arguments of a metric that was not converted do not count as used. */
  finishMetric(isConverted: boolean): void {
    for (const name of isConverted ? this.#pending : []) {
      this.#used.add(name);
      this.given.use(name);
    }
    this.#pending.clear();
  }

  /** Reports the arguments of the template without effect. */
  report(): void {
    for (const [name, field] of this.#declared) {
      if (!this.#used.has(name)) field.note('NotNeeded', 'no converted metric uses the argument');
      else if (this.given.get(name) && ownValue(field).isGiven)
        ownValue(field).note('NotNeeded', 'the analysis of the Rollout sets the argument');
      else reportHash(field);
    }
  }

  #value(name: string): string | undefined {
    const declared = this.#declared.get(name);
    return declared && argumentValue(this.given.get(name) ?? declared);
  }
}

function byName(list: Field): ReadonlyMap<string, Field> {
  return new Map(list.items().map((field) => [field.at('name').text() ?? '', field]));
}

function ownValue(field: Field): Field {
  return field.at('value').isGiven ? field.at('value') : field.at('valueFrom');
}

function argumentValue(field: Field): string | undefined {
  const value = field.at('value');
  if (value.isGiven) return value.text();
  const hash = field.at('valueFrom', 'podTemplateHashValue');
  if (hash.isGiven) return HASHES[hash.text() ?? ''];
  const reference = field.at('valueFrom', 'fieldRef', 'fieldPath');
  return reference.isGiven ? FIELD_REFS[reference.text() ?? ''] : undefined;
}

function reportHash(field: Field): void {
  const hash = field.at('valueFrom', 'podTemplateHashValue');
  hash.note(
    'Changed',
    `the hash becomes ${HASHES[String(hash.value)]}, the value of the label pcf_dev_revision`,
    'compare this label in the query',
  );
}
