# GKE Autopilot, its data stores, and the operator with a PcfApi.

locals {
  labels = merge({ application = "pcf-api", managed-by = "terraform" }, var.labels)
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
  secret_id = var.name

  replication {
    auto {}
  }
}

resource "google_secret_manager_secret_version" "this" {
  secret                 = google_secret_manager_secret.this.id
  secret_data_wo         = module.data.secrets
  secret_data_wo_version = var.secrets_version
}

# Autopilot: Google runs the nodes, enforces NetworkPolicies (Dataplane V2) and enables Workload Identity.
# The nodes have no public addresses, and the API server is reachable by its DNS endpoint with IAM only.
resource "google_container_cluster" "this" {
  name                = var.name
  location            = var.region
  enable_autopilot    = true
  network             = module.network.network_id
  subnetwork          = module.network.subnetwork_id
  deletion_protection = var.deletion_protection
  resource_labels     = local.labels

  release_channel {
    channel = "REGULAR"
  }

  gateway_api_config {
    channel = "CHANNEL_STANDARD"
  }

  ip_allocation_policy {}

  private_cluster_config {
    enable_private_nodes = true
  }

  control_plane_endpoints_config {
    dns_endpoint_config {
      allow_external_traffic = true
    }

    ip_endpoints_config {
      enabled = false
    }
  }

  secret_manager_config {
    enabled = false # External Secrets is used
  }
}

# The gateway class gke-l7-regional-external-managed needs a subnet for its proxies.
resource "google_compute_subnetwork" "proxies" {
  name          = "${var.name}-proxies"
  region        = var.region
  network       = module.network.network_id
  ip_cidr_range = var.proxy_cidr
  purpose       = "REGIONAL_MANAGED_PROXY"
  role          = "ACTIVE"
}

# The controller of External Secrets may read one secret, by Workload Identity: no key exists.
resource "google_secret_manager_secret_iam_member" "external_secrets" {
  secret_id = google_secret_manager_secret.this.id
  role      = "roles/secretmanager.secretAccessor"
  member    = "principal://iam.googleapis.com/projects/${data.google_project.this.number}/locations/global/workloadIdentityPools/${var.project}.svc.id.goog/subject/ns/external-secrets/sa/external-secrets"
}

data "google_project" "this" {
  project_id = var.project
}

resource "google_artifact_registry_repository" "this" {
  repository_id = var.name
  location      = var.region
  format        = "DOCKER"

  docker_config {
    immutable_tags = true
  }
}

module "kubernetes" {
  source          = "../modules/kubernetes"
  environment     = var.environment
  api_image       = var.image
  operator_image  = var.operator_image
  secret_name     = google_secret_manager_secret.this.secret_id
  secret_store    = { gcpsm = { projectID = var.project } } # as the ServiceAccount of the controller
  ca_files        = module.data.ca_files
  redis_mode      = "Standalone"
  internal_cidr   = var.proxy_cidr
  monitoring_cidr = var.monitoring_cidr

  # The operator creates the Gateway, whose HTTPRoute has the exact weights and the header x-canary.
  api_values = merge({
    traffic      = { provider = "GatewayAPI", gatewayClassName = "gke-l7-regional-external-managed", hosts = [var.domain_name] }
    tls          = var.tls
    network      = { ingressFrom = [{ cidr = var.proxy_cidr }], metricsFrom = [{ cidr = var.monitoring_cidr }], redis = { ports = [6378] } } # TLS
    env          = [{ name = "PCF_API__REDIS__CA_FILE", value = "/etc/ssl/stores/redis.pem" }]
    autoscaling  = { horizontal = { minReplicas = var.min_pods, maxReplicas = var.max_pods, cpu = 70, memory = 80 } }
    availability = { topologySpread = "Zone" }
  }, var.api_values)

  depends_on = [
    google_secret_manager_secret_version.this,
    google_secret_manager_secret_iam_member.external_secrets,
    google_compute_subnetwork.proxies,
  ]
}
