# PostgreSQL with a replica, Redis in cluster mode, and one entry in Secrets Manager with their URLs.
# Passwords are ephemeral values in write-only arguments, so neither the state nor a plan contains them.

locals {
  # The CA of RDS is not in the trust store of Node.js.
  url_query  = "sslmode=verify-full&sslrootcert=${var.database_ca_path}"
  url_prefix = "postgresql://pcf:${ephemeral.aws_secretsmanager_random_password.database.random_password}"
}

# URL-safe: the password is part of a URL.
ephemeral "aws_secretsmanager_random_password" "database" {
  password_length     = 40
  exclude_punctuation = true
}

ephemeral "aws_secretsmanager_random_password" "jwt" {
  password_length     = 64
  exclude_punctuation = true
}

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_db_parameter_group" "this" {
  name_prefix = "${var.name}-"
  family      = "postgres${var.postgres_version}"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  # A new major version needs a new group while the old one is in use.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_iam_role" "monitoring" {
  name_prefix = "${var.name}-rds-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "monitoring.rds.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

resource "aws_db_instance" "primary" {
  identifier     = var.name
  engine         = "postgres"
  engine_version = var.postgres_version
  instance_class = var.database_instance_class

  storage_type          = "gp3"
  storage_encrypted     = true
  allocated_storage     = 50
  max_allocated_storage = 500

  db_name             = "pcf"
  username            = "pcf"
  password_wo         = ephemeral.aws_secretsmanager_random_password.database.random_password
  password_wo_version = var.secrets_version

  multi_az               = var.highly_available
  publicly_accessible    = false
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [var.database_security_group_id]
  parameter_group_name   = aws_db_parameter_group.this.name

  backup_retention_period   = var.backup_retention_days
  backup_window             = "02:00-03:00"
  maintenance_window        = "sun:03:30-sun:04:30"
  copy_tags_to_snapshot     = true
  deletion_protection       = var.deletion_protection
  delete_automated_backups  = false
  skip_final_snapshot       = false
  final_snapshot_identifier = "${var.name}-final"

  auto_minor_version_upgrade      = true
  performance_insights_enabled    = true
  monitoring_interval             = 60
  monitoring_role_arn             = aws_iam_role.monitoring.arn
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
}

resource "aws_db_instance" "replica" {
  count                  = var.highly_available ? 1 : 0
  identifier             = "${var.name}-replica"
  replicate_source_db    = aws_db_instance.primary.identifier
  instance_class         = var.database_instance_class
  storage_encrypted      = true
  publicly_accessible    = false
  vpc_security_group_ids = [var.database_security_group_id]
  parameter_group_name   = aws_db_parameter_group.this.name
  deletion_protection    = var.deletion_protection
  # A replica has no data of its own.
  skip_final_snapshot          = true
  auto_minor_version_upgrade   = true
  copy_tags_to_snapshot        = true
  performance_insights_enabled = true
  monitoring_interval          = 60
  monitoring_role_arn          = aws_iam_role.monitoring.arn

  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
}

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_elasticache_parameter_group" "this" {
  name   = var.name
  family = "redis7"

  parameter {
    name  = "cluster-enabled"
    value = "yes"
  }

  # Redis stores the job queues, which must not be evicted.
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

# Without AUTH: the oldest accepted provider has no write-only argument for the token, so it would be in the state.
# TLS, and a security group that admits the API only, protect it.
resource "aws_elasticache_replication_group" "this" {
  replication_group_id       = var.name
  description                = "Job queues and caches of the PCF API"
  engine                     = "redis"
  engine_version             = "7.1"
  node_type                  = var.redis_node_type
  parameter_group_name       = aws_elasticache_parameter_group.this.name
  num_node_groups            = var.redis_shards
  replicas_per_node_group    = var.highly_available ? 1 : 0
  automatic_failover_enabled = true
  multi_az_enabled           = var.highly_available
  at_rest_encryption_enabled = true
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [var.redis_security_group_id]
  snapshot_retention_limit   = var.backup_retention_days
  final_snapshot_identifier  = "${var.name}-final"
  auto_minor_version_upgrade = true
}

resource "aws_secretsmanager_secret" "this" {
  name                    = var.name
  description             = "URLs of the data stores, and the signing key of tokens"
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id = aws_secretsmanager_secret.this.id
  secret_string_wo = jsonencode({
    "database-url"         = "${local.url_prefix}@${aws_db_instance.primary.endpoint}/pcf?${local.url_query}"
    "database-replica-url" = "${local.url_prefix}@${try(aws_db_instance.replica[0].endpoint, aws_db_instance.primary.endpoint)}/pcf?${local.url_query}"
    "redis-url"            = "rediss://${aws_elasticache_replication_group.this.configuration_endpoint_address}:6379"
    "jwt-secret"           = ephemeral.aws_secretsmanager_random_password.jwt.random_password
  })
  secret_string_wo_version = var.secrets_version
}
