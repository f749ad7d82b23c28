# PostgreSQL with a replica, and Redis, both with private addresses and TLS only. The values of the secrets are
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

    # The log of PostgreSQL records clients, waits for locks and checkpoints, and no statement: it could have secrets.
    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }

    database_flags {
      name  = "log_connections"
      value = "on"
    }

    database_flags {
      name  = "log_disconnections"
      value = "on"
    }

    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }

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

    # The log of PostgreSQL records clients, waits for locks and checkpoints, and no statement: it could have secrets.
    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }

    database_flags {
      name  = "log_connections"
      value = "on"
    }

    database_flags {
      name  = "log_disconnections"
      value = "on"
    }

    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }

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

# A primary with replicas, not Memorystore for Redis Cluster: its nodes use 2,048 ports, which no NetworkPolicy of a
# PcfApi lists. Without AUTH: the provider would write the generated string to the state. TLS, and the private network,
# which only workloads of this VPC reach, protect it.
resource "google_redis_instance" "this" {
  name                    = var.name
  region                  = var.region
  tier                    = var.highly_available ? "STANDARD_HA" : "BASIC"
  memory_size_gb          = var.redis_memory_gb
  redis_version           = "REDIS_7_2"
  authorized_network      = var.network_id
  connect_mode            = "PRIVATE_SERVICE_ACCESS"
  transit_encryption_mode = "SERVER_AUTHENTICATION"
  # Redis stores the job queues, which must not be evicted.
  redis_configs = { "maxmemory-policy" = "noeviction" }
  labels        = var.labels

  persistence_config {
    persistence_mode    = "RDB"
    rdb_snapshot_period = "ONE_HOUR"
  }
}
