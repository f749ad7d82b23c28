# Container Instances: one group with serve, after its migrations as init container. For tests and internal use: a group
# has no weights, no rolling update and no TLS, and a new image replaces it with an interruption.

# Container Instances cannot reference a Key Vault, so with this platform the state contains the secrets.
data "azurerm_key_vault_secret" "this" {
  for_each     = local.uses_apps ? {} : local.secrets
  name         = each.value
  key_vault_id = module.data.key_vault_id
  depends_on   = [azurerm_key_vault_secret.this]
}

resource "azurerm_container_group" "this" {
  count               = local.uses_apps ? 0 : 1
  name                = var.name
  location            = var.location
  resource_group_name = azurerm_resource_group.this.name
  os_type             = "Linux"
  ip_address_type     = "Private"
  subnet_ids          = [module.network.workload_subnet_id]
  restart_policy      = "Always"
  tags                = local.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.api.id]
  }

  image_registry_credential {
    server                    = azurerm_container_registry.this.login_server
    user_assigned_identity_id = azurerm_user_assigned_identity.api.id
  }

  init_container {
    name                         = "migrate"
    image                        = var.image
    commands                     = ["node", "dist/api-server/main.js", "migrate", "up", "--json"]
    environment_variables        = local.env
    secure_environment_variables = { for variable, secret in data.azurerm_key_vault_secret.this : variable => secret.value }
  }

  container {
    name                         = "api"
    image                        = var.image
    commands                     = ["node", "dist/api-server/main.js", "serve"]
    cpu                          = var.cpu
    memory                       = var.memory_gb
    environment_variables        = local.env
    secure_environment_variables = { for variable, secret in data.azurerm_key_vault_secret.this : variable => secret.value }

    ports {
      port     = 8080
      protocol = "TCP"
    }

    readiness_probe {
      period_seconds = 5

      http_get {
        scheme = "http"
        path   = "/health/ready"
        port   = 8080
      }
    }

    liveness_probe {
      period_seconds    = 10
      failure_threshold = 3

      http_get {
        scheme = "http"
        path   = "/health"
        port   = 8080
      }
    }
  }

  depends_on = [azurerm_role_assignment.api]
}
