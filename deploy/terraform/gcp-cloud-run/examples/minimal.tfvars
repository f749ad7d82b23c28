# One small instance of everything: for tests, not for production.
project     = "example-staging"
region      = "europe-west3"
image       = "europe-west3-docker.pkg.dev/example-staging/pcf-api/pcf-api:1.0.0"
revision    = "v1-0-0"
environment = "staging"

highly_available      = false
min_instances         = 1
max_instances         = 2
database_tier         = "db-custom-1-3840"
redis_memory_gb       = 1
backup_retention_days = 1
