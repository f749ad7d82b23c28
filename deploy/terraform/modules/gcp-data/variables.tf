variable "name" {
  description = "Prefix of the names of all resources."
  type        = string
}

variable "region" {
  description = "Region of the data stores."
  type        = string
}

variable "network_id" {
  description = "VPC with private services access."
  type        = string
}

variable "labels" {
  description = "Labels of the data stores."
  type        = map(string)
}

variable "postgres_version" {
  description = "Major version of PostgreSQL."
  type        = number

  validation {
    condition     = var.postgres_version >= 14
    error_message = "postgres_version must be 14 or newer."
  }
}

variable "database_tier" {
  description = "Machine type of the primary and the replica."
  type        = string
}

variable "redis_memory_gb" {
  description = "Memory of Redis in GiB."
  type        = number
}

variable "highly_available" {
  description = "A standby in another zone and a replica of PostgreSQL, and a replica of Redis."
  type        = bool
}

variable "backup_retention_days" {
  description = "Number of daily backups that are kept."
  type        = number

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 365
    error_message = "backup_retention_days must be 1 to 365."
  }
}

variable "deletion_protection" {
  description = "Rejects the deletion of the data stores. Apply false before you destroy them."
  type        = bool
}

variable "secrets_version" {
  description = "Increment it to write a new database password and a new signing key."
  type        = number
}
