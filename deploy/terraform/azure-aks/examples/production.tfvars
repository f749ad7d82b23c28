# A standby, a replica, 3 to 10 pods, each release in steps.
subscription_id = "00000000-0000-0000-0000-000000000000"
location        = "germanywestcentral"
terraform_cidrs = ["192.0.2.10"]
name            = "pcf-prod-4711"
image           = "pcfprod4711.azurecr.io/pcf-api:1.0.0"
operator_image  = { repository = "pcfprod4711.azurecr.io/pcf-operator", tag = "1.0.0" }
domain_name     = "api.example.com"
admin_group_ids = ["00000000-0000-0000-0000-000000000000"]

backup_retention_days = 35
tags                  = { team = "platform", cost-center = "4711" }

api_values = {
  strategy = {
    type   = "Canary"
    canary = { steps = [{ weight = 5, hold = "5m" }, { weight = 25, hold = "10m" }, { weight = 50, hold = "10m" }] }
  }
}
