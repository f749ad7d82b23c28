# A standby, a replica, 3 to 10 instances, and 10 % of the traffic for the revision v1-1-0.
project         = "example-production"
region          = "europe-west3"
image           = "europe-west3-docker.pkg.dev/example-production/pcf-api/pcf-api:1.1.0"
revision        = "v1-1-0"
stable_revision = "v1-0-0"
canary_weight   = 10

backup_retention_days = 35
labels                = { team = "platform", cost-center = "4711" }
