# AKS, its data stores, and the operator with a PcfApi.

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
  workload_delegation = null
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

resource "azurerm_key_vault_secret" "this" {
  name             = var.name
  key_vault_id     = module.data.key_vault_id
  content_type     = "application/json"
  value_wo         = module.data.secrets
  value_wo_version = var.secrets_version
}

# Without local accounts: every client has an identity of Microsoft Entra ID.
resource "azurerm_kubernetes_cluster" "this" {
  name                      = var.name
  location                  = var.location
  resource_group_name       = azurerm_resource_group.this.name
  dns_prefix                = var.name
  kubernetes_version        = var.kubernetes_version
  sku_tier                  = "Standard"
  local_account_disabled    = true
  oidc_issuer_enabled       = true
  workload_identity_enabled = true
  azure_policy_enabled      = true
  automatic_upgrade_channel = "patch"
  node_os_upgrade_channel   = "NodeImage"
  tags                      = local.tags

  identity {
    type = "SystemAssigned"
  }

  azure_active_directory_role_based_access_control {
    azure_rbac_enabled     = true
    admin_group_object_ids = var.admin_group_ids
  }

  api_server_access_profile {
    authorized_ip_ranges = var.terraform_cidrs
  }

  default_node_pool {
    name                 = "default"
    vm_size              = var.node_size
    vnet_subnet_id       = module.network.workload_subnet_id
    zones                = ["1", "2", "3"]
    auto_scaling_enabled = true
    min_count            = 3
    max_count            = 10
    max_pods             = 110
    # A change of the size creates this pool first.
    temporary_name_for_rotation = "rotation"

    upgrade_settings {
      max_surge = "33%"
    }
  }

  # Cilium enforces NetworkPolicies.
  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_data_plane  = "cilium"
    network_policy      = "cilium"
    pod_cidr            = var.pod_cidr
  }

  # Managed NGINX with the class webapprouting.kubernetes.azure.com.
  web_app_routing {
    dns_zone_ids = []
  }

  oms_agent {
    log_analytics_workspace_id      = azurerm_log_analytics_workspace.this.id
    msi_auth_for_monitoring_enabled = true
  }
}

resource "azurerm_role_assignment" "pull" {
  scope                = azurerm_container_registry.this.id
  role_definition_name = "AcrPull"
  principal_id         = azurerm_kubernetes_cluster.this.kubelet_identity[0].object_id
}

# The controller of External Secrets may read one secret, by workload identity: no key exists.
resource "azurerm_user_assigned_identity" "external_secrets" {
  name                = "${var.name}-external-secrets"
  location            = var.location
  resource_group_name = azurerm_resource_group.this.name
  tags                = local.tags
}

resource "azurerm_federated_identity_credential" "external_secrets" {
  name                = "external-secrets"
  resource_group_name = azurerm_resource_group.this.name
  parent_id           = azurerm_user_assigned_identity.external_secrets.id
  issuer              = azurerm_kubernetes_cluster.this.oidc_issuer_url
  subject             = "system:serviceaccount:external-secrets:external-secrets"
  audience            = ["api://AzureADTokenExchange"]
}

resource "azurerm_role_assignment" "external_secrets" {
  scope                = azurerm_key_vault_secret.this.resource_versionless_id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.external_secrets.principal_id
}

module "kubernetes" {
  source          = "../modules/kubernetes"
  environment     = var.environment
  api_image       = var.image
  operator_image  = var.operator_image
  secret_name     = azurerm_key_vault_secret.this.name
  secret_store    = { azurekv = { vaultUrl = module.data.key_vault_uri, authType = "WorkloadIdentity" } } # as the controller
  redis_mode      = "Standalone"
  internal_cidr   = var.pod_cidr
  monitoring_cidr = var.monitoring_cidr

  external_secrets_values = {
    serviceAccount = { annotations = { "azure.workload.identity/client-id" = azurerm_user_assigned_identity.external_secrets.client_id } }
    podLabels      = { "azure.workload.identity/use" = "true" }
  }

  # With an Ingress the weight of a canary is its share of the ready pods. For exact weights install Istio or a
  # gateway, and set traffic in api_values.
  api_values = merge({
    traffic      = { hosts = [var.domain_name], ingress = { className = "webapprouting.kubernetes.azure.com" } }
    tls          = var.tls
    network      = { ingressFrom = [{ cidr = var.pod_cidr }], metricsFrom = [{ cidr = var.monitoring_cidr }], redis = { ports = [10000] } }
    autoscaling  = { horizontal = { minReplicas = var.min_pods, maxReplicas = var.max_pods, cpu = 70, memory = 80 } }
    availability = { topologySpread = "Zone" }
  }, var.api_values)

  depends_on = [azurerm_role_assignment.external_secrets, azurerm_federated_identity_credential.external_secrets, azurerm_role_assignment.pull]
}
