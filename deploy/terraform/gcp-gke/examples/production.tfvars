# A standby, a replica, 3 to 10 pods, each release in steps.
project        = "example-production"
region         = "europe-west3"
image          = "europe-west3-docker.pkg.dev/example-production/pcf-api/pcf-api:1.0.0"
operator_image = { repository = "europe-west3-docker.pkg.dev/example-production/pcf-api/pcf-operator", tag = "1.0.0" }
domain_name    = "api.example.com"

backup_retention_days = 35
labels                = { team = "platform", cost-center = "4711" }

api_values = {
  strategy = {
    type   = "Canary"
    canary = { steps = [{ weight = 5, hold = "5m" }, { weight = 25, hold = "10m" }, { weight = 50, hold = "10m" }] }
  }
}
