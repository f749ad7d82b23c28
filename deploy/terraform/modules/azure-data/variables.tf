variable "name" {
  description = "Prefix of the names of all resources. Key Vault, PostgreSQL and Redis need globally unique names."
  type        = string
}

variable "location" {
  description = "Region of Azure."
  type        = string
}

variable "resource_group_name" {
  description = "Resource group of all resources."
  type        = string
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
}

variable "workload_subnet_id" {
  description = "Subnet that the Key Vault admits."
  type        = string
}

variable "database_subnet_id" {
  description = "Subnet that is delegated to PostgreSQL."
  type        = string
}

variable "endpoint_subnet_id" {
  description = "Subnet of private endpoints."
  type        = string
}

variable "private_dns_zone_ids" {
  description = "Private DNS zones of database and redis."
  type        = map(string)
}

variable "terraform_cidrs" {
  description = "Public addresses that run Terraform, which the Key Vault admits."
  type        = list(string)
}

variable "postgres_version" {
  description = "Major version of PostgreSQL."
  type        = number

  validation {
    condition     = var.postgres_version >= 14
    error_message = "postgres_version must be 14 or newer."
  }
}

variable "database_sku" {
  description = "SKU of the primary; the replica has the same."
  type        = string
}

variable "redis_sku" {
  description = "SKU of Managed Redis."
  type        = string
}

variable "highly_available" {
  description = "A standby in another zone and a replica of PostgreSQL, geo-redundant backups, a replica of Redis."
  type        = bool
}

variable "backup_retention_days" {
  description = "Days that automated backups are kept."
  type        = number

  validation {
    condition     = var.backup_retention_days >= 7 && var.backup_retention_days <= 35
    error_message = "backup_retention_days must be 7 to 35."
  }
}

variable "deletion_protection" {
  description = "Locks the data stores against deletion. Apply false before you destroy them."
  type        = bool
}

variable "secrets_version" {
  description = "Increment it to write a new database password and a new signing key."
  type        = number
}
