/**
 * Writes test/fixtures/terraform/schemas.json: the schemas of the resources in deploy/terraform, in the format of
 * `terraform providers schema -json`. Run it after a new resource or provider version:
 *
 *     node dist/scripts/terraform-schemas.js
 *
 * The source is the type declarations of the packages of CDK for Terraform. They are several 100 MB, so they
 * are downloaded to a temporary folder and are no dependency.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PACKAGES: Record<string, string> = {
  aws: '@cdktf/provider-aws@21.22.1',
  google: '@cdktf/provider-google@16.12.1',
  azurerm: '@cdktf/provider-azurerm@14.23.1',
  helm: '@cdktf/provider-helm@12.1.2',
};
const OUTPUT = 'test/fixtures/terraform/schemas.json';

type Attribute = { type: unknown; required?: true; optional?: true; computed?: true };
type Block = { attributes: Record<string, Attribute>; block_types?: Record<string, NestedBlock> };
type NestedBlock = { nesting_mode: 'list' | 'single'; min_items?: 1; max_items?: 1; block: Block };
type Field = { name: string; required: boolean; type: string; isBlock: boolean };

/** Resource and data types in the .tf files, such as `resource aws_vpc`. */
function usedTypes(): string[] {
  const files = readdirSync('deploy/terraform', { recursive: true, encoding: 'utf8' });
  const text = files
    .filter((file) => file.endsWith('.tf'))
    .map((file) => readFileSync(join('deploy/terraform', file), 'utf8'))
    .join('\n');
  const types = [...text.matchAll(/^(resource|data) "([a-z]\w*)"/gm)].map(
    ([, kind, type]) => `${kind} ${type}`,
  );
  return [...new Set(types)].filter((type) => !type.endsWith('terraform_data')).toSorted();
}

/** Fields of each interface. The comment of a field has its name in HCL, and says if it is a block. */
function interfacesIn(declarations: string): Map<string, Field[]> {
  const interfaces = declarations.matchAll(/^export interface (\w+)[^{\n]*\{\n(.*?)^\}/gms);
  const field = /(?: {4}\/\*\*((?:(?!\*\/).)*)\*\/\n)? {4}readonly (\w+)(\??): (\{.*?\n {4}\}|[^\n]*?);?$/gms;
  return new Map(
    [...interfaces].map(([, name, body]) => [
      name!,
      [...body!.matchAll(field)].map(([, comment = '', property, optional, type]) => ({
        name: /\{@link \S+#(\w+) /.exec(comment)?.[1] ?? property!,
        required: optional === '',
        type: type!,
        isBlock: /\* \w+ block\n/.test(comment),
      })),
    ]),
  );
}

function attributeType(type: string): unknown {
  if (type.startsWith('{') && type.includes(': string;')) return ['map', 'string'];
  const name = type.replace(' | cdktf.IResolvable', '');
  const simple = { string: 'string', number: 'number', boolean: 'bool', 'string[]': ['list', 'string'] };
  return simple[name as keyof typeof simple] ?? 'dynamic';
}

/** Getters of each class: arguments again, and the computed attributes. */
function gettersIn(declarations: string): Map<string, [name: string, type: string][]> {
  const classes = declarations.matchAll(/^export declare class (\w+)[^{\n]*\{\n(.*?)^\}/gms);
  const snakeCase = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return new Map(
    [...classes].map(([, name, body]) => [
      name!,
      [...body!.matchAll(/^ {4}get (\w+)\(\): ([^;]+);/gm)]
        .filter(([, property]) => !/^(internalValue|fqn|\w+Input)$/.test(property!))
        .map(([, property, type]) => [snakeCase(property!), type!]),
    ]),
  );
}

type Declarations = {
  interfaces: Map<string, Field[]>;
  getters: Map<string, [name: string, type: string][]>;
};

/** The block of an interface, with the computed attributes of its class. */
function blockOf(declarations: Declarations, name: string, className: string): Block {
  const fields = declarations.interfaces.get(name) ?? [];
  const names = new Set(fields.map((field) => field.name));
  const computed = (declarations.getters.get(className) ?? []).filter(([getter]) => !names.has(getter));
  const nested = fields.filter(({ isBlock }) => isBlock);
  return {
    attributes: Object.fromEntries([
      ...computed.map(([getter, type]) => [getter, { type: attributeType(type), computed: true }]),
      ...fields
        .filter(({ isBlock }) => !isBlock)
        .map(({ name, required, type }) => [
          name,
          {
            type: attributeType(type),
            ...(required ? { required: true } : { optional: true, computed: true }),
          },
        ]),
    ]),
    ...(nested.length > 0 && {
      block_types: Object.fromEntries(
        nested.map(({ name, required, type }) => [name, nestedBlock(declarations, name, required, type)]),
      ),
    }),
  };
}

function nestedBlock(declarations: Declarations, name: string, required: boolean, type: string): NestedBlock {
  const element = /^\w+/.exec(type)![0];
  const isSingle = name === 'timeouts';
  return {
    nesting_mode: isSingle ? 'single' : 'list',
    ...(required && { min_items: 1 }),
    ...(!type.includes('[]') && !isSingle && { max_items: 1 }),
    block: blockOf(declarations, element, `${element}OutputReference`),
  };
}

/** The schema of a resource in its folder of the package. */
function schemaOf(folder: string): Block {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const text = files
    .filter((file) => file.endsWith('.d.ts'))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n');
  const config = /^export interface (\w+) extends cdktf\.TerraformMetaArguments/m.exec(text)![1]!;
  const resource = /^export declare class (\w+) extends cdktf\.Terraform(?:Resource|DataSource)/m.exec(
    text,
  )![1]!;
  return blockOf({ interfaces: interfacesIn(text), getters: gettersIn(text) }, config, resource);
}

/** Downloads a package without its dependencies and returns its folder. */
function download(name: string, folder: string): string {
  const archive = execFileSync('npm', ['pack', '--silent', '--ignore-scripts', name], {
    cwd: folder,
    encoding: 'utf8',
  });
  const target = mkdtempSync(join(folder, 'package-'));
  execFileSync('tar', ['-xzf', join(folder, archive.trim()), '-C', target, '--strip-components=1']);
  return target;
}

const folder = mkdtempSync(join(tmpdir(), 'terraform-schemas-'));
try {
  const types = usedTypes();
  const providers = Object.entries(PACKAGES).map(([provider, name]) => {
    const source = download(name, folder);
    const schemas = (kind: string, prefix: string) =>
      types
        .filter((type) => type.startsWith(`${kind} ${provider}_`))
        .map((type) => type.slice(kind.length + 1))
        .map((type) => {
          const path = `${prefix}${type.slice(provider.length + 1).replaceAll('_', '-')}`;
          return `"${type}":${JSON.stringify({ block: schemaOf(join(source, 'lib', path)) })}`;
        })
        .join(',\n');
    const resources = schemas('resource', '');
    const data = schemas('data', `data-${provider}-`);
    return `"${provider}":{"resource_schemas":{\n${resources}\n},"data_source_schemas":{\n${data}\n}}`;
  });
  writeFileSync(OUTPUT, `{${providers.join(',\n')}}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
