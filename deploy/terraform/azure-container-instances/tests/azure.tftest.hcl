# Plans with a mocked provider: no credentials and no network. hashicorp/random works offline. Run: tofu test (or terraform test).

mock_provider "azurerm" {}

variables {
  subscription_id = "00000000-0000-0000-0000-000000000000"
  location        = "germanywestcentral"
  terraform_cidrs = ["192.0.2.10"]
  name            = "pcf-test-1"
  image           = "pcftest1.azurecr.io/pcf-api:1.1.0"
  revision        = "v1-1-0"
}

run "the_traffic_is_split_by_revision" {
  command = plan

  variables {
    stable_revision = "v1-0-0"
    canary_weight   = 10
  }

  assert {
    condition     = azurerm_container_app.this["serve"].ingress[0].traffic_weight[*].percentage == tolist([90, 10])
    error_message = "The stable revision must get 90 %, the newest 10 %."
  }

  assert {
    condition     = length(azurerm_container_app.this["worker"].ingress) == 0
    error_message = "The worker must have no ingress."
  }

  assert {
    condition     = azurerm_container_app.this["serve"].template[0].init_container[0].args == tolist(["migrate", "up", "--json"])
    error_message = "The migrations must run before the API."
  }
}

run "container_instances_run_the_migrations_first" {
  command = plan

  variables {
    platform = "ContainerInstances"
  }

  assert {
    condition     = length(azurerm_container_app.this) == 0 && azurerm_container_group.this[0].ip_address_type == "Private"
    error_message = "There must be a container group with a private address, and no Container Apps."
  }
}

run "container_instances_cannot_split_traffic" {
  command = plan

  variables {
    platform      = "ContainerInstances"
    canary_weight = 10
  }

  expect_failures = [var.canary_weight]
}
