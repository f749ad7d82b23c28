import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import {
  type Body,
  parseFile,
  TERRAFORM,
  terraformFiles,
  terraformResources,
} from '../../support/fixtures/terraform.js';

const ROOTS = ['aws-ecs', 'aws-eks', 'azure-aks', 'azure-container-instances', 'gcp-cloud-run', 'gcp-gke'];

/** Arguments that write a secret to the state, and their write-only counterparts end with _wo. */
const SECRET_ARGUMENT =
  /^(\w*password|secret_string|secret_data|value|auth_token|root_password|administrator_password)$/;
/** Public data in a resource for secrets. */
const PUBLIC_VALUES = ['google_secret_manager_secret_version.ca'];

const SECRET_TYPES =
  /^(aws_db_instance|aws_secretsmanager_secret_version|google_sql_\w+|google_secret_manager_secret_version|azurerm_postgresql_flexible_server|azurerm_key_vault_secret|aws_elasticache_replication_group)$/;

/** Data stores with the arguments that protect them. */
const PROTECTION: Record<string, Body> = {
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: expressions of HCL
  aws_db_instance: {
    storage_encrypted: true,
    publicly_accessible: false,
    deletion_protection: '${var.deletion_protection}',
  },
  aws_elasticache_replication_group: { at_rest_encryption_enabled: true, transit_encryption_enabled: true },
  google_sql_database_instance: { deletion_protection: '${var.deletion_protection}' },
  google_redis_instance: { transit_encryption_mode: 'SERVER_AUTHENTICATION' },
  azurerm_postgresql_flexible_server: { public_network_access_enabled: false },
  azurerm_managed_redis: { public_network_access: 'Disabled' },
  azurerm_key_vault: { purge_protection_enabled: true },
  aws_ecr_repository: { image_tag_mutability: 'IMMUTABLE' },
  azurerm_container_registry: { admin_enabled: false },
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: expressions of HCL
};

describe('deploy/terraform', () => {
  it('has each root with a README, variables, outputs, examples and tests', () => {
    const roots = readdirSync(TERRAFORM, { withFileTypes: true }).filter(
      (entry) => entry.isDirectory() && entry.name !== 'modules',
    );
    assert.deepEqual(roots.map(({ name }) => name).toSorted(), ROOTS);
    const required = [
      'README.md',
      'variables.tf',
      'outputs.tf',
      'examples/minimal.tfvars',
      'examples/production.tfvars',
    ];
    for (const root of ROOTS) {
      for (const file of required)
        assert.ok(existsSync(`${TERRAFORM}/${root}/${file}`), `${root}: no ${file}`);
      const tests = readdirSync(`${TERRAFORM}/${root}/tests`).filter((name) => name.endsWith('.tftest.hcl'));
      assert.ok(tests.length > 0, `${root}: no test`);
    }
  });

  it('has a type and a description for each variable, and a description for each output', async () => {
    for (const file of terraformFiles('.tf')) {
      const { variable = {}, output = {} } = (await parseFile(file)) as Record<
        string,
        Record<string, Body[]>
      >;
      for (const [name, [body]] of Object.entries({ ...variable, ...output })) {
        assert.ok(body?.description, `${file}: ${name} has no description`);
      }
      for (const [name, [body]] of Object.entries(variable!))
        assert.ok(body?.type, `${file}: ${name} has no type`);
    }
  });

  it('has examples that set only declared variables, and all without a default', async () => {
    for (const root of ROOTS) {
      const { variable } = (await parseFile(`${TERRAFORM}/${root}/variables.tf`)) as {
        variable: Record<string, Body[]>;
      };
      const required = Object.keys(variable).filter((name) => !('default' in variable[name]![0]!));
      for (const example of ['minimal', 'production']) {
        const names = Object.keys(await parseFile(`${TERRAFORM}/${root}/examples/${example}.tfvars`));
        const where = `${root}/examples/${example}.tfvars`;
        assert.deepEqual(
          names.filter((name) => !(name in variable)),
          [],
          `${where}: undeclared variables`,
        );
        assert.deepEqual(
          required.filter((name) => !names.includes(name)),
          [],
          `${where}: unset variables`,
        );
      }
    }
  });

  it('writes no secret to the state: only write-only arguments have one', async () => {
    const found = (await terraformResources())
      .filter(({ kind, type }) => kind === 'resource' && SECRET_TYPES.test(type))
      .filter(({ type, name }) => !PUBLIC_VALUES.includes(`${type}.${name}`))
      .flatMap(({ file, type, name, body }) =>
        Object.keys(body)
          .filter((argument) => SECRET_ARGUMENT.test(argument))
          .map((argument) => `${file}: ${type}.${name}.${argument}`),
      );
    assert.deepEqual(found, []);
  });

  it('contains no private key, access key or password', () => {
    const files = [...terraformFiles('.tf'), ...terraformFiles('.tfvars'), ...terraformFiles('.hcl')];
    const secret = /PRIVATE KEY|AKIA[0-9A-Z]{16}|password\w* *= *"[^"$]|:\/\/\w*:[^$@"\s]+@/;
    assert.deepEqual(
      files.filter((file) => secret.test(readFileSync(file, 'utf8'))),
      [],
    );
  });

  it('opens only port 443 to all addresses', async () => {
    const rules = (await terraformResources()).filter(({ type }) =>
      /security_group_(in|e)gress_rule/.test(type),
    );
    assert.ok(rules.length >= 7);
    const open = rules.filter(({ body }) => body.cidr_ipv4 === '0.0.0.0/0');
    assert.deepEqual(open.map(({ type, name }) => `${type}.${name}`).toSorted(), [
      'aws_vpc_security_group_egress_rule.https',
      'aws_vpc_security_group_ingress_rule.https',
    ]);
    for (const { name, body } of open) assert.deepEqual([body.from_port, body.to_port], [443, 443], name);
  });

  it('names all addresses elsewhere only in routes and in validations that reject them', () => {
    const lines = terraformFiles('.tf').flatMap((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter(
          (line) =>
            line.includes('0.0.0.0/0') &&
            !/cidr_ipv4|destination_cidr_block|condition|error_message/.test(line),
        )
        .map((line) => `${file}: ${line}`),
    );
    assert.deepEqual(lines, []);
  });

  it('encrypts and protects every data store', async () => {
    const resources = (await terraformResources()).filter(({ kind }) => kind === 'resource');
    for (const [type, expected] of Object.entries(PROTECTION)) {
      const stores = resources.filter((resource) => resource.type === type);
      assert.ok(stores.length > 0, `${type} is not used`);
      for (const { file, name, body } of stores) {
        for (const [argument, value] of Object.entries(expected)) {
          assert.deepEqual(body[argument], value, `${file}: ${type}.${name}.${argument}`);
        }
      }
    }
  });

  it('protects data by default', async () => {
    for (const root of ROOTS) {
      const { variable } = (await parseFile(`${TERRAFORM}/${root}/variables.tf`)) as {
        variable: Record<string, Body[]>;
      };
      assert.equal(variable.deletion_protection![0]!.default, true, root);
    }
  });
});
