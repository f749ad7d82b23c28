# Network, data stores and Kubernetes objects. The cluster is in cluster.tf.

locals {
  vpc_id     = var.existing_cluster == null ? module.network[0].vpc_id : var.existing_cluster.vpc_id
  subnet_ids = var.existing_cluster == null ? module.network[0].private_subnet_ids : var.existing_cluster.subnet_ids
}

module "network" {
  count        = var.existing_cluster == null ? 1 : 0
  source       = "../modules/aws-network"
  name         = var.name
  cidr         = var.vpc_cidr
  zones        = var.zones
  nat_per_zone = var.highly_available
}

# Rules of the nodes. EKS itself allows the nodes all egress; the NetworkPolicy of the PcfApi limits its pods.
module "security_groups" {
  source                = "../modules/aws-security-groups"
  name                  = var.name
  vpc_id                = local.vpc_id
  api_security_group_id = data.aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
  internal_cidr         = var.internal_cidr
  monitoring_cidr       = var.monitoring_cidr
}

module "data" {
  count                      = var.existing_secret_arn == null ? 1 : 0
  source                     = "../modules/aws-data"
  name                       = var.name
  subnet_ids                 = local.subnet_ids
  database_security_group_id = module.security_groups.database_id
  redis_security_group_id    = module.security_groups.redis_id
  database_ca_path           = "/etc/ssl/stores/database.pem"
  postgres_version           = var.postgres_version
  database_instance_class    = var.database_instance_class
  redis_node_type            = var.redis_node_type
  redis_shards               = var.redis_shards
  highly_available           = var.highly_available
  backup_retention_days      = var.backup_retention_days
  deletion_protection        = var.deletion_protection
  secrets_version            = var.secrets_version
}

locals {
  secret_arn = coalesce(var.existing_secret_arn, one(module.data[*].secret_arn))
}

resource "aws_ecr_repository" "this" {
  for_each             = toset(["api", "operator"])
  name                 = "${var.name}/${each.key}"
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
  }
}

module "certificate" {
  source      = "../modules/aws-certificate"
  domain_name = var.domain_name
  zone_id     = var.zone_id
}

module "kubernetes" {
  source          = "../modules/kubernetes"
  environment     = var.environment
  api_image       = var.image
  operator_image  = var.operator_image
  secret_name     = local.secret_arn
  secret_store    = { aws = { service = "SecretsManager", region = var.region } } # as the ServiceAccount of the controller
  ca_files        = { "database.pem" = file(var.database_ca_file) }
  redis_mode      = "Cluster"
  internal_cidr   = var.internal_cidr
  monitoring_cidr = var.monitoring_cidr
  objects         = [for object in local.objects : object if var.existing_cluster == null]

  # Without a mesh the weight of a canary is its share of the ready pods. For exact weights install Istio or a
  # gateway, and set traffic in api_values.
  api_values = merge({
    traffic = {
      hosts = [var.domain_name]
      ingress = {
        className = "alb"
        annotations = {
          "alb.ingress.kubernetes.io/target-type"                         = "ip"
          "alb.ingress.kubernetes.io/listen-ports"                        = jsonencode([{ HTTPS = 443 }])
          "alb.ingress.kubernetes.io/certificate-arn"                     = module.certificate.arn
          "alb.ingress.kubernetes.io/ssl-policy"                          = "ELBSecurityPolicy-TLS13-1-2-2021-06"
          "alb.ingress.kubernetes.io/security-groups"                     = module.security_groups.load_balancer_id
          "alb.ingress.kubernetes.io/manage-backend-security-group-rules" = "false"
          "alb.ingress.kubernetes.io/healthcheck-path"                    = "/health/ready"
        }
      }
    }
    autoscaling  = { horizontal = { minReplicas = var.min_pods, maxReplicas = var.max_pods, cpu = 70, memory = 80 } }
    availability = { topologySpread = "Zone" }
  }, var.api_values)

  depends_on = [module.data, aws_eks_pod_identity_association.external_secrets, aws_eks_addon.metrics_server]
}
