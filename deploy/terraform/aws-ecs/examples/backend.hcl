# State: encrypted, versioned (a setting of the bucket) and locked.
bucket       = "example-terraform-state"
key          = "pcf-api/aws-ecs.tfstate"
region       = "eu-central-1"
encrypt      = true
use_lockfile = true
