# The API on Cloud Run: network, data and secrets. Services and the traffic are in services.tf.

locals {
  labels = merge({ application = "pcf-api", managed-by = "terraform" }, var.labels)

  # Environment variable -> secret
  secrets = {
    PCF_API__DATABASE__URL         = "database-url"
    PCF_API__DATABASE__REPLICA_URL = "database-replica-url"
    PCF_API__REDIS__URL            = "redis-url"
    PCF_API__AUTH__JWT_SECRET      = "jwt-secret"
  }

  ca_files = ["database.pem", "redis.pem"]
}

module "network" {
  source = "../modules/gcp-network"
  name   = var.name
  region = var.region
  cidr   = var.cidr
}

module "data" {
  source                = "../modules/gcp-data"
  name                  = var.name
  region                = var.region
  network_id            = module.network.network_id
  labels                = local.labels
  postgres_version      = var.postgres_version
  database_tier         = var.database_tier
  redis_memory_gb       = var.redis_memory_gb
  highly_available      = var.highly_available
  backup_retention_days = var.backup_retention_days
  deletion_protection   = var.deletion_protection
  secrets_version       = var.secrets_version
}

resource "google_secret_manager_secret" "this" {
  for_each  = toset(values(local.secrets))
  secret_id = "${var.name}-${each.key}"

  replication {
    auto {}
  }
}

resource "google_secret_manager_secret_version" "this" {
  for_each               = google_secret_manager_secret.this
  secret                 = each.value.id
  secret_data_wo         = jsondecode(module.data.secrets)[each.key]
  secret_data_wo_version = var.secrets_version
  # Running instances still use the previous version.
  deletion_policy = "ABANDON"
}

# CA certificates are public. Cloud Run mounts files from secrets only.
resource "google_secret_manager_secret" "ca" {
  for_each  = toset(local.ca_files)
  secret_id = "${var.name}-ca-${replace(each.key, ".pem", "")}"

  replication {
    auto {}
  }
}

resource "google_secret_manager_secret_version" "ca" {
  for_each        = google_secret_manager_secret.ca
  secret          = each.value.id
  secret_data     = module.data.ca_files[each.key]
  deletion_policy = "ABANDON"
}

# Identity of the API. It may read its secrets, and nothing else.
resource "google_service_account" "api" {
  account_id   = var.name
  display_name = "PCF API"
}

resource "google_secret_manager_secret_iam_member" "api" {
  for_each  = merge(google_secret_manager_secret.this, google_secret_manager_secret.ca)
  secret_id = each.value.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.api.member
}

resource "google_artifact_registry_repository" "this" {
  repository_id = var.name
  location      = var.region
  format        = "DOCKER"

  docker_config {
    immutable_tags = true
  }
}
