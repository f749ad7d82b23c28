# The API on ECS Fargate: network and data. Tasks are in tasks.tf, services in services.tf, the weights in traffic.tf.

module "network" {
  source       = "../modules/aws-network"
  name         = var.name
  cidr         = var.vpc_cidr
  zones        = var.zones
  nat_per_zone = var.highly_available
}

resource "aws_security_group" "api" {
  name        = "${var.name}-api"
  description = "Tasks of the PCF API"
  vpc_id      = module.network.vpc_id
  tags        = { Name = "${var.name}-api" }
}

module "security_groups" {
  source                = "../modules/aws-security-groups"
  name                  = var.name
  vpc_id                = module.network.vpc_id
  api_security_group_id = aws_security_group.api.id
  internal_cidr         = var.internal_cidr
  monitoring_cidr       = var.monitoring_cidr
}

module "data" {
  count                      = var.existing_secret_arn == null ? 1 : 0
  source                     = "../modules/aws-data"
  name                       = var.name
  subnet_ids                 = module.network.private_subnet_ids
  database_security_group_id = module.security_groups.database_id
  redis_security_group_id    = module.security_groups.redis_id
  database_ca_path           = local.ca_path
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

# Images are immutable and scanned. A release is a new tag or a digest.
resource "aws_ecr_repository" "api" {
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
  }
}

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enhanced"
  }
}

resource "aws_cloudwatch_log_group" "api" {
  name              = "/pcf/${var.name}"
  retention_in_days = var.log_retention_days
}

module "certificate" {
  source      = "../modules/aws-certificate"
  domain_name = var.domain_name
  zone_id     = var.zone_id
}
