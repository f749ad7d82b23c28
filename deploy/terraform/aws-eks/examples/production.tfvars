# Three zones, a standby, a replica, 3 to 10 pods, each release in steps.
region           = "eu-central-1"
image            = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/pcf-api/api:1.0.0"
operator_image   = { repository = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/pcf-api/operator", tag = "1.0.0" }
domain_name      = "api.example.com"
zone_id          = "Z0123456789EXAMPLE"
database_ca_file = "eu-central-1-bundle.pem"
api_server_cidrs = ["192.0.2.10/32"]

backup_retention_days = 35
tags                  = { team = "platform", cost-center = "4711" }

api_values = {
  resources = { requests = { cpu = "500m", memory = "768Mi" }, limits = { memory = "2Gi" } }
  strategy = {
    type   = "Canary"
    canary = { steps = [{ weight = 5, hold = "5m" }, { weight = 25, hold = "10m" }, { weight = 50, hold = "10m" }] }
  }
}
