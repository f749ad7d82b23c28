# No standby and small machines: for tests, not for production.
subscription_id = "00000000-0000-0000-0000-000000000000"
location        = "germanywestcentral"
terraform_cidrs = ["192.0.2.10"]
name            = "pcf-staging-4711"
image           = "pcfstaging4711.azurecr.io/pcf-api:1.0.0"
operator_image  = { repository = "pcfstaging4711.azurecr.io/pcf-operator", tag = "1.0.0" }
environment     = "staging"
domain_name     = "api.staging.example.com"
admin_group_ids = ["00000000-0000-0000-0000-000000000000"]

highly_available      = false
min_pods              = 1
max_pods              = 2
database_sku          = "GP_Standard_D2ds_v5"
redis_sku             = "Balanced_B0"
backup_retention_days = 7
