# No standby and small machines: for tests, not for production.
project        = "example-staging"
region         = "europe-west3"
image          = "europe-west3-docker.pkg.dev/example-staging/pcf-api/pcf-api:1.0.0"
operator_image = { repository = "europe-west3-docker.pkg.dev/example-staging/pcf-api/pcf-operator", tag = "1.0.0" }
environment    = "staging"
domain_name    = "api.staging.example.com"

highly_available      = false
min_pods              = 1
max_pods              = 2
database_tier         = "db-custom-1-3840"
redis_memory_gb       = 1
backup_retention_days = 1
