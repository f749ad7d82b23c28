# PostgreSQL with a standby and a replica, Managed Redis, and a Key Vault. The certificates of both have a public
# certificate authority. The database password is an ephemeral value in write-only arguments.

locals {
  url_prefix = "postgresql://pcf:${ephemeral.random_password.database.result}"
  url_suffix = "5432/pcf?sslmode=verify-full"
}

data "azurerm_client_config" "this" {}

ephemeral "random_password" "database" {
  length  = 40
  special = false # the password is part of a URL
}

ephemeral "random_password" "jwt" {
  length  = 64
  special = false
}

resource "azurerm_postgresql_flexible_server" "primary" {
  name                              = var.name
  location                          = var.location
  resource_group_name               = var.resource_group_name
  version                           = var.postgres_version
  sku_name                          = var.database_sku
  storage_mb                        = 65536
  auto_grow_enabled                 = true
  administrator_login               = "pcf"
  administrator_password_wo         = ephemeral.random_password.database.result
  administrator_password_wo_version = var.secrets_version
  delegated_subnet_id               = var.database_subnet_id
  private_dns_zone_id               = var.private_dns_zone_ids["database"]
  public_network_access_enabled     = false
  backup_retention_days             = var.backup_retention_days
  geo_redundant_backup_enabled      = var.highly_available
  tags                              = var.tags

  dynamic "high_availability" {
    for_each = var.highly_available ? ["ZoneRedundant"] : []

    content {
      mode = high_availability.value
    }
  }

  maintenance_window {
    day_of_week  = 0
    start_hour   = 3
    start_minute = 0
  }

  # Azure chooses the zones, and swaps them in a failover.
  lifecycle {
    ignore_changes = [zone, high_availability[0].standby_availability_zone]
  }
}

resource "azurerm_postgresql_flexible_server" "replica" {
  count                         = var.highly_available ? 1 : 0
  name                          = "${var.name}-replica"
  location                      = var.location
  resource_group_name           = var.resource_group_name
  create_mode                   = "Replica"
  source_server_id              = azurerm_postgresql_flexible_server.primary.id
  delegated_subnet_id           = var.database_subnet_id
  private_dns_zone_id           = var.private_dns_zone_ids["database"]
  public_network_access_enabled = false
  tags                          = var.tags

  lifecycle {
    ignore_changes = [zone]
  }
}

resource "azurerm_postgresql_flexible_server_database" "this" {
  name      = "pcf"
  server_id = azurerm_postgresql_flexible_server.primary.id
}

# The provider writes the access key to the state, so encrypt the state and restrict its readers. Microsoft Entra
# tokens are the alternative, which the API does not support.
resource "azurerm_managed_redis" "this" {
  name                      = var.name
  location                  = var.location
  resource_group_name       = var.resource_group_name
  sku_name                  = var.redis_sku
  high_availability_enabled = var.highly_available
  public_network_access     = "Disabled"
  tags                      = var.tags

  default_database {
    access_keys_authentication_enabled = true
    client_protocol                    = "Encrypted"
    # One endpoint for all shards: clients use it like a single server.
    clustering_policy = "EnterpriseCluster"
    # Redis stores the job queues, which must not be evicted.
    eviction_policy                               = "NoEviction"
    persistence_append_only_file_backup_frequency = "1s"
  }
}

resource "azurerm_private_endpoint" "redis" {
  name                = "${var.name}-redis"
  location            = var.location
  resource_group_name = var.resource_group_name
  subnet_id           = var.endpoint_subnet_id
  tags                = var.tags

  private_service_connection {
    name                           = "redis"
    is_manual_connection           = false
    private_connection_resource_id = azurerm_managed_redis.this.id
    subresource_names              = ["redisEnterprise"]
  }

  private_dns_zone_group {
    name                 = "redis"
    private_dns_zone_ids = [var.private_dns_zone_ids["redis"]]
  }
}

# Azure has no deletion protection for servers; a lock has the same effect for every client.
resource "azurerm_management_lock" "data" {
  for_each   = var.deletion_protection ? { database = azurerm_postgresql_flexible_server.primary.id, redis = azurerm_managed_redis.this.id } : {}
  name       = "data"
  scope      = each.value
  lock_level = "CanNotDelete"
  notes      = "Data of the PCF API: apply deletion_protection = false before the deletion"
}

resource "azurerm_key_vault" "this" {
  name                       = var.name
  location                   = var.location
  resource_group_name        = var.resource_group_name
  tenant_id                  = data.azurerm_client_config.this.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  purge_protection_enabled   = true
  soft_delete_retention_days = 90
  tags                       = var.tags

  # Workloads, and the addresses that run Terraform.
  network_acls {
    bypass                     = "AzureServices"
    default_action             = "Deny"
    virtual_network_subnet_ids = [var.workload_subnet_id]
    ip_rules                   = var.terraform_cidrs
  }
}

# Terraform itself writes the secrets.
resource "azurerm_role_assignment" "terraform" {
  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Secrets Officer"
  principal_id         = data.azurerm_client_config.this.object_id
}
