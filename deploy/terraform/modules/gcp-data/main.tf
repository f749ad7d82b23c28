# PostgreSQL with a replica, and Redis Cluster, both with private addresses and TLS only. The values of the secrets are
# an ephemeral output: the root writes them to Secret Manager by write-only arguments, so no state contains them.

locals {
  # Each instance of Cloud SQL has its own CA, so its certificate authority identifies it; the certificate has no
  # host name. uselibpqcompat: verify-ca as in libpq.
  url_query  = "uselibpqcompat=true&sslmode=verify-ca&sslrootcert=/etc/ssl/stores/database.pem"
  url_prefix = "postgresql://pcf:${ephemeral.random_password.database.result}"
  instances  = concat([google_sql_database_instance.primary], google_sql_database_instance.replica[*])
}

ephemeral "random_password" "database" {
  length  = 40
  special = false # the password is part of a URL
}

ephemeral "random_password" "jwt" {
  length  = 64
  special = false
}

resource "google_sql_database_instance" "primary" {
  name             = var.name
  region           = var.region
  database_version = "POSTGRES_${var.postgres_version}"
  # Terraform, and with deletion_protection_enabled every other client too.
  deletion_protection = var.deletion_protection

  settings {
    tier                        = var.database_tier
    edition                     = "ENTERPRISE"
    availability_type           = var.highly_available ? "REGIONAL" : "ZONAL"
    disk_type                   = "PD_SSD"
    disk_size                   = 50
    disk_autoresize             = true
    deletion_protection_enabled = var.deletion_protection
    retain_backups_on_delete    = true
    user_labels                 = var.labels

    ip_configuration {
      ipv4_enabled    = false
      private_network = var.network_id
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    backup_configuration {
      enabled                        = true
      start_time                     = "02:00"
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = min(var.backup_retention_days, 7)

      backup_retention_settings {
        retained_backups = var.backup_retention_days
      }
    }

    insights_config {
      query_insights_enabled = true
    }

    maintenance_window {
      day  = 7
      hour = 3
    }
  }
}

resource "google_sql_database_instance" "replica" {
  count                = var.highly_available ? 1 : 0
  name                 = "${var.name}-replica"
  region               = var.region
  database_version     = google_sql_database_instance.primary.database_version
  master_instance_name = google_sql_database_instance.primary.name
  deletion_protection  = var.deletion_protection

  settings {
    tier                        = var.database_tier
    edition                     = "ENTERPRISE"
    disk_type                   = "PD_SSD"
    deletion_protection_enabled = var.deletion_protection
    user_labels                 = var.labels

    ip_configuration {
      ipv4_enabled    = false
      private_network = var.network_id
      ssl_mode        = "ENCRYPTED_ONLY"
    }
  }
}

resource "google_sql_database" "this" {
  name     = "pcf"
  instance = google_sql_database_instance.primary.name
  # Deleting the instance deletes it. A role that owns objects cannot be deleted on its own.
  deletion_policy = "ABANDON"
}

resource "google_sql_user" "this" {
  name                = "pcf"
  instance            = google_sql_database_instance.primary.name
  password_wo         = ephemeral.random_password.database.result
  password_wo_version = var.secrets_version
  deletion_policy     = "ABANDON"
}

# Without AUTH: Memorystore Cluster supports IAM tokens only, which the API does not. TLS and the private network,
# which only workloads of this VPC reach, protect it.
resource "google_redis_cluster" "this" {
  name                        = var.name
  region                      = var.region
  shard_count                 = var.redis_shards
  replica_count               = var.highly_available ? 1 : 0
  node_type                   = var.redis_node_type
  authorization_mode          = "AUTH_MODE_DISABLED"
  transit_encryption_mode     = "TRANSIT_ENCRYPTION_MODE_SERVER_AUTHENTICATION"
  deletion_protection_enabled = var.deletion_protection
  # Redis stores the job queues, which must not be evicted.
  redis_configs = { "maxmemory-policy" = "noeviction" }

  psc_configs {
    network = var.network_id
  }

  persistence_config {
    mode = "AOF"

    aof_config {
      append_fsync = "EVERYSEC"
    }
  }
}
