# A migrate job, which must succeed before a revision gets traffic; then the services serve, worker and auth.

locals {
  env = {
    PCF_API__ENVIRONMENT    = var.environment
    PCF_API__REDIS__CA_FILE = "/etc/ssl/redis/ca.pem"
    # Cloud Run is the only proxy: its X-Forwarded-For identifies clients.
    PCF_API__SERVER__TRUSTED_PROXIES = "1"
  }

  # A volume of Cloud Run has one secret, so each CA has its own folder.
  volumes = { for file in local.ca_files : replace(file, ".pem", "") => file }
  mounts  = { database = "/etc/ssl/stores", redis = "/etc/ssl/redis" }
  paths   = { database = "database.pem", redis = "ca.pem" }

  services = {
    serve  = { args = ["serve"], min = var.min_instances, max = var.max_instances, public = true }
    auth   = { args = ["auth"], min = 1, max = 3, public = true }
    worker = { args = ["worker"], min = 1, max = 1, public = false }
  }
}

resource "google_cloud_run_v2_job" "migrate" {
  name                = "${var.name}-migrate"
  location            = var.region
  deletion_protection = false

  template {
    template {
      service_account = google_service_account.api.email
      max_retries     = 2
      timeout         = "${var.migration_timeout_seconds}s"

      containers {
        image = var.image
        args  = ["migrate", "up", "--json"]

        dynamic "env" {
          for_each = local.env

          content {
            name  = env.key
            value = env.value
          }
        }

        dynamic "env" {
          for_each = local.secrets

          content {
            name = env.key

            value_source {
              secret_key_ref {
                secret  = google_secret_manager_secret.this[env.value].secret_id
                version = google_secret_manager_secret_version.this[env.value].version
              }
            }
          }
        }

        dynamic "volume_mounts" {
          for_each = local.mounts

          content {
            name       = volume_mounts.key
            mount_path = volume_mounts.value
          }
        }
      }

      dynamic "volumes" {
        for_each = local.volumes

        content {
          name = volumes.key

          secret {
            secret = google_secret_manager_secret.ca[volumes.value].secret_id

            items {
              path    = local.paths[volumes.key]
              version = google_secret_manager_secret_version.ca[volumes.value].version
            }
          }
        }
      }

      vpc_access {
        egress = "PRIVATE_RANGES_ONLY"

        network_interfaces {
          network    = module.network.network_id
          subnetwork = module.network.subnetwork_id
        }
      }
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.api]
}

# Fails the apply unless the migrations succeed, before a service changes. Needs the gcloud CLI.
resource "terraform_data" "migrate" {
  triggers_replace = [var.image, var.secrets_version]

  provisioner "local-exec" {
    command = "gcloud run jobs execute \"$JOB\" --project \"$PROJECT\" --region \"$REGION\" --wait"
    environment = {
      JOB     = google_cloud_run_v2_job.migrate.name
      PROJECT = var.project
      REGION  = var.region
    }
  }
}

resource "google_cloud_run_v2_service" "this" {
  for_each            = local.services
  name                = each.key == "serve" ? var.name : "${var.name}-${each.key}"
  location            = var.region
  deletion_protection = var.deletion_protection
  ingress             = each.value.public ? "INGRESS_TRAFFIC_ALL" : "INGRESS_TRAFFIC_INTERNAL_ONLY"
  # The API authenticates its clients itself.
  invoker_iam_disabled = each.value.public

  template {
    revision        = "${each.key == "serve" ? var.name : "${var.name}-${each.key}"}-${var.revision}"
    service_account = google_service_account.api.email
    timeout         = "3600s" # of subscriptions; requests have graphql.deadline

    scaling {
      min_instance_count = each.value.min
      max_instance_count = each.value.max
    }

    containers {
      image = var.image
      args  = each.value.args

      ports {
        container_port = 8080
      }

      resources {
        limits = { cpu = var.cpu, memory = var.memory }
        # Jobs, subscriptions and connection pools need the CPU between requests.
        cpu_idle          = false
        startup_cpu_boost = true
      }

      startup_probe {
        period_seconds    = 2
        failure_threshold = 60

        http_get {
          path = "/health/ready"
        }
      }

      liveness_probe {
        period_seconds    = 10
        timeout_seconds   = 3
        failure_threshold = 3

        http_get {
          path = "/health"
        }
      }

      dynamic "env" {
        for_each = local.env

        content {
          name  = env.key
          value = env.value
        }
      }

      dynamic "env" {
        for_each = local.secrets

        content {
          name = env.key

          value_source {
            secret_key_ref {
              secret  = google_secret_manager_secret.this[env.value].secret_id
              version = google_secret_manager_secret_version.this[env.value].version
            }
          }
        }
      }

      dynamic "volume_mounts" {
        for_each = local.mounts

        content {
          name       = volume_mounts.key
          mount_path = volume_mounts.value
        }
      }
    }

    dynamic "volumes" {
      for_each = local.volumes

      content {
        name = volumes.key

        secret {
          secret = google_secret_manager_secret.ca[volumes.value].secret_id

          items {
            path    = local.paths[volumes.key]
            version = google_secret_manager_secret_version.ca[volumes.value].version
          }
        }
      }
    }

    vpc_access {
      egress = "PRIVATE_RANGES_ONLY"

      network_interfaces {
        network    = module.network.network_id
        subnetwork = module.network.subnetwork_id
      }
    }
  }

  # Only serve splits its traffic. The tag gives the newest revision a URL of its own, also at weight 0.
  dynamic "traffic" {
    for_each = each.key == "serve" && var.stable_revision != null ? [var.stable_revision] : []

    content {
      type     = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
      revision = "${var.name}-${traffic.value}"
      percent  = 100 - var.canary_weight
      tag      = "stable"
    }
  }

  traffic {
    type     = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
    revision = "${each.key == "serve" ? var.name : "${var.name}-${each.key}"}-${var.revision}"
    percent  = each.key == "serve" && var.stable_revision != null ? var.canary_weight : 100
    tag      = "canary"
  }

  depends_on = [terraform_data.migrate]
}
