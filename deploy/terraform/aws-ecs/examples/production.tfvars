# Three zones, a standby, a replica, 3 to 10 tasks, and a canary with 10 % of the traffic.
region           = "eu-central-1"
image            = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/pcf-api:1.0.0"
canary_image     = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/pcf-api:1.1.0"
canary_weight    = 10
domain_name      = "api.example.com"
zone_id          = "Z0123456789EXAMPLE"
database_ca_file = "eu-central-1-bundle.pem"

cpu                   = 2048
memory                = 4096
backup_retention_days = 35
tags                  = { team = "platform", cost-center = "4711" }
