# Container Apps with 3 to 10 replicas, and 10 % of the traffic for the revision v1-1-0.
subscription_id = "00000000-0000-0000-0000-000000000000"
location        = "germanywestcentral"
terraform_cidrs = ["192.0.2.10"]
name            = "pcf-prod-4711"
image           = "pcfprod4711.azurecr.io/pcf-api:1.1.0"
revision        = "v1-1-0"
stable_revision = "v1-0-0"
canary_weight   = 10

backup_retention_days = 35
tags                  = { team = "platform", cost-center = "4711" }
