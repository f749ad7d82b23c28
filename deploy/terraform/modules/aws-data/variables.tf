variable "name" {
  description = "Prefix of the names of all resources, and the name of the entry in Secrets Manager."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of at least two zones."
  type        = list(string)
}

variable "database_security_group_id" {
  description = "Group of PostgreSQL."
  type        = string
}

variable "redis_security_group_id" {
  description = "Group of Redis."
  type        = string
}

variable "database_ca_path" {
  description = "Path of the CA certificates of RDS in the containers of the API."
  type        = string
}

variable "postgres_version" {
  description = "Major version of PostgreSQL."
  type        = number

  validation {
    condition     = var.postgres_version >= 14
    error_message = "postgres_version must be 14 or newer."
  }
}

variable "database_instance_class" {
  description = "Instance class of the primary and the replica."
  type        = string
}

variable "redis_node_type" {
  description = "Node type of Redis."
  type        = string
}

variable "redis_shards" {
  description = "Number of shards of Redis."
  type        = number
}

variable "highly_available" {
  description = "A standby in another zone and a replica of PostgreSQL, and a replica of each shard of Redis."
  type        = bool
}

variable "backup_retention_days" {
  description = "Days that automated backups are kept."
  type        = number

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35
    error_message = "backup_retention_days must be 1 to 35: 0 disables backups, and a replica needs them."
  }
}

variable "deletion_protection" {
  description = "Rejects the deletion of the databases. Apply false before you destroy them."
  type        = bool
}

variable "secrets_version" {
  description = "Increment it to write a new database password and a new signing key."
  type        = number
}
