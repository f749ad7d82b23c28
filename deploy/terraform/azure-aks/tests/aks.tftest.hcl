# Plans with mocked providers: no credentials and no network. hashicorp/random works offline. Run: tofu test (or terraform test).

mock_provider "azurerm" {}
mock_provider "helm" {}

variables {
  subscription_id = "00000000-0000-0000-0000-000000000000"
  location        = "germanywestcentral"
  terraform_cidrs = ["192.0.2.10"]
  admin_group_ids = ["00000000-0000-0000-0000-000000000000"]
  name            = "pcf-test-1"
  image           = "pcftest1.azurecr.io/pcf-api:1.0.0"
  operator_image  = { repository = "pcftest1.azurecr.io/pcf-operator", tag = "1.0.0" }
  domain_name     = "api.example.com"
}

run "the_cluster_has_no_local_accounts" {
  command = plan

  assert {
    condition     = azurerm_kubernetes_cluster.this.local_account_disabled && azurerm_kubernetes_cluster.this.network_profile[0].network_policy == "cilium"
    error_message = "The cluster must have no local accounts, and enforce NetworkPolicies."
  }
}

run "a_public_key_vault_is_rejected" {
  command = plan

  variables {
    terraform_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.terraform_cidrs]
}
