# Container Apps: serve with weights between two revisions, worker and auth. Each replica runs the migrations first, as
# an init container; an advisory lock in PostgreSQL allows one run at a time, so a revision without its migrations is
# never ready and gets no traffic.

locals {
  apps = {
    serve  = { args = ["serve"], min = var.min_replicas, max = var.max_replicas, public = true }
    auth   = { args = ["auth"], min = 1, max = 3, public = true }
    worker = { args = ["worker"], min = 1, max = 1, public = false }
  }
}

resource "azurerm_container_app_environment" "this" {
  count                      = local.uses_apps ? 1 : 0
  name                       = var.name
  location                   = var.location
  resource_group_name        = azurerm_resource_group.this.name
  infrastructure_subnet_id   = module.network.workload_subnet_id
  zone_redundancy_enabled    = var.highly_available
  log_analytics_workspace_id = azurerm_log_analytics_workspace.this.id
  tags                       = local.tags

  workload_profile {
    name                  = "Consumption"
    workload_profile_type = "Consumption"
  }

  # Azure names this group itself.
  lifecycle {
    ignore_changes = [infrastructure_resource_group_name]
  }
}

resource "azurerm_container_app" "this" {
  for_each                     = local.uses_apps ? local.apps : {}
  name                         = each.key == "serve" ? var.name : "${var.name}-${each.key}"
  container_app_environment_id = azurerm_container_app_environment.this[0].id
  resource_group_name          = azurerm_resource_group.this.name
  revision_mode                = each.key == "serve" ? "Multiple" : "Single"
  workload_profile_name        = "Consumption"
  tags                         = local.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.api.id]
  }

  registry {
    server   = azurerm_container_registry.this.login_server
    identity = azurerm_user_assigned_identity.api.id
  }

  # References: the state has no value.
  dynamic "secret" {
    for_each = local.secrets

    content {
      name                = secret.value
      identity            = azurerm_user_assigned_identity.api.id
      key_vault_secret_id = azurerm_key_vault_secret.this[secret.value].versionless_id
    }
  }

  template {
    revision_suffix                  = var.revision
    min_replicas                     = each.value.min
    max_replicas                     = each.value.max
    termination_grace_period_seconds = 45 # longer than the shutdown of the API: its delay and timeout

    init_container {
      name   = "migrate"
      image  = var.image
      args   = ["migrate", "up", "--json"]
      cpu    = 0.5
      memory = "1Gi"

      dynamic "env" {
        for_each = local.env

        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = local.secrets

        content {
          name        = env.key
          secret_name = env.value
        }
      }
    }

    container {
      name   = "api"
      image  = var.image
      args   = each.value.args
      cpu    = var.cpu
      memory = "${var.memory_gb}Gi"

      dynamic "env" {
        for_each = local.env

        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = local.secrets

        content {
          name        = env.key
          secret_name = env.value
        }
      }

      startup_probe {
        transport               = "HTTP"
        port                    = 8080
        path                    = "/health/startup"
        interval_seconds        = 2
        failure_count_threshold = 30
      }

      readiness_probe {
        transport        = "HTTP"
        port             = 8080
        path             = "/health/ready"
        interval_seconds = 5
      }

      liveness_probe {
        transport        = "HTTP"
        port             = 8080
        path             = "/health"
        interval_seconds = 10
      }
    }

    dynamic "custom_scale_rule" {
      for_each = { cpu = "70", memory = "80" }

      content {
        name             = custom_scale_rule.key
        custom_rule_type = custom_scale_rule.key
        metadata         = { type = "Utilization", value = custom_scale_rule.value }
      }
    }
  }

  dynamic "ingress" {
    for_each = each.value.public ? [each.key] : []

    content {
      external_enabled           = true
      allow_insecure_connections = false
      target_port                = 8080
      transport                  = "auto"

      # Only serve splits its traffic.
      dynamic "traffic_weight" {
        for_each = ingress.value == "serve" && var.stable_revision != null ? [var.stable_revision] : []

        content {
          label           = "stable"
          revision_suffix = traffic_weight.value
          percentage      = 100 - var.canary_weight
        }
      }

      traffic_weight {
        label           = ingress.value == "serve" ? "canary" : null
        latest_revision = true
        percentage      = ingress.value == "serve" && var.stable_revision != null ? var.canary_weight : 100
      }
    }
  }

  depends_on = [azurerm_role_assignment.api]
}
