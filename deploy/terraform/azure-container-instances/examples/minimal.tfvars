# A container group with a private address: for tests, not for production. The state contains the secrets.
subscription_id = "00000000-0000-0000-0000-000000000000"
location        = "germanywestcentral"
terraform_cidrs = ["192.0.2.10"]
name            = "pcf-staging-4711"
platform        = "ContainerInstances"
image           = "pcfstaging4711.azurecr.io/pcf-api:1.0.0"
revision        = "v1-0-0"
environment     = "staging"

highly_available      = false
redis_sku             = "Balanced_B0"
backup_retention_days = 7
