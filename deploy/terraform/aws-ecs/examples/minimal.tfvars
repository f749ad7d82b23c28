# One zone's worth of everything: for tests, not for production.
region           = "eu-central-1"
image            = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/pcf-api:1.0.0"
environment      = "staging"
domain_name      = "api.staging.example.com"
zone_id          = "Z0123456789EXAMPLE"
database_ca_file = "eu-central-1-bundle.pem"

zones                   = 2
highly_available        = false
min_tasks               = 1
max_tasks               = 2
worker_tasks            = 1
auth_tasks              = 1
database_instance_class = "db.t4g.small"
redis_node_type         = "cache.t4g.small"
redis_shards            = 1
backup_retention_days   = 1
