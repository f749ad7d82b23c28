# The API without Kubernetes: network, data, registry and secrets. Container Apps are in container-apps.tf, a container
# group of Container Instances in container-group.tf.

locals {
  tags = merge({ application = "pcf-api", managed-by = "terraform" }, var.tags)
}

resource "azurerm_resource_group" "this" {
  name     = var.name
  location = var.location
  tags     = local.tags
}

module "network" {
  source              = "../modules/azure-network"
  name                = var.name
  location            = var.location
  resource_group_name = azurerm_resource_group.this.name
  tags                = local.tags
  cidr                = var.cidr
  workload_delegation = local.uses_apps ? "Microsoft.App/environments" : "Microsoft.ContainerInstance/containerGroups"
}

module "data" {
  source                = "../modules/azure-data"
  name                  = var.name
  location              = var.location
  resource_group_name   = azurerm_resource_group.this.name
  tags                  = local.tags
  workload_subnet_id    = module.network.workload_subnet_id
  database_subnet_id    = module.network.database_subnet_id
  endpoint_subnet_id    = module.network.endpoint_subnet_id
  private_dns_zone_ids  = module.network.private_dns_zone_ids
  terraform_cidrs       = var.terraform_cidrs
  postgres_version      = var.postgres_version
  database_sku          = var.database_sku
  redis_sku             = var.redis_sku
  highly_available      = var.highly_available
  backup_retention_days = var.backup_retention_days
  deletion_protection   = var.deletion_protection
  secrets_version       = var.secrets_version
}

resource "azurerm_container_registry" "this" {
  name                    = replace(var.name, "-", "")
  location                = var.location
  resource_group_name     = azurerm_resource_group.this.name
  sku                     = "Premium"
  admin_enabled           = false
  zone_redundancy_enabled = true
  # Layers are downloaded from this registry only, so a firewall need not admit all of the Azure storage.
  data_endpoint_enabled = true
  tags                  = local.tags
}

resource "azurerm_log_analytics_workspace" "this" {
  name                = var.name
  location            = var.location
  resource_group_name = azurerm_resource_group.this.name
  retention_in_days   = 90
  tags                = local.tags
}

locals {
  uses_apps = var.platform == "ContainerApps"

  # Environment variable -> secret
  secrets = {
    PCF_API__DATABASE__URL         = "database-url"
    PCF_API__DATABASE__REPLICA_URL = "database-replica-url"
    PCF_API__REDIS__URL            = "redis-url"
    PCF_API__AUTH__JWT_SECRET      = "jwt-secret"
  }

  env = {
    PCF_API__ENVIRONMENT             = var.environment
    PCF_API__SERVER__TRUSTED_PROXIES = "1"
    # A new version of the secrets starts new replicas, which read them.
    SECRETS_VERSION = tostring(var.secrets_version)
  }
}

resource "azurerm_key_vault_secret" "this" {
  for_each         = toset(values(local.secrets))
  name             = each.key
  key_vault_id     = module.data.key_vault_id
  content_type     = "text/plain"
  value_wo         = jsondecode(module.data.secrets)[each.key]
  value_wo_version = var.secrets_version
}

# Identity of the API: pulls the image and reads the secrets.
resource "azurerm_user_assigned_identity" "api" {
  name                = var.name
  location            = var.location
  resource_group_name = azurerm_resource_group.this.name
  tags                = local.tags
}

resource "azurerm_role_assignment" "api" {
  for_each = {
    AcrPull                  = azurerm_container_registry.this.id
    "Key Vault Secrets User" = module.data.key_vault_id
  }

  scope                = each.value
  role_definition_name = each.key
  principal_id         = azurerm_user_assigned_identity.api.principal_id
}
