variable "project" {
  description = "Project of Google Cloud."
  type        = string
}

variable "region" {
  description = "Region of Google Cloud."
  type        = string
}

variable "name" {
  description = "Prefix of the names of all resources."
  type        = string
  default     = "pcf-api"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "name must have 2 to 20 characters: lower case letters, digits and -, and start with a letter."
  }
}

variable "environment" {
  description = "Settings of the API: staging or production."
  type        = string
  default     = "production"

  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "environment must be staging or production: in development the API accepts requests without credentials."
  }
}

variable "labels" {
  description = "Additional labels of all resources."
  type        = map(string)
  default     = {}
}

# Release

variable "image" {
  description = "Image of the API, with a tag other than latest, or a digest."
  type        = string

  validation {
    condition     = can(regex("(:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image needs a tag other than latest, or a digest: a rollback needs a name for the old version."
  }
}

variable "revision" {
  description = "Suffix of the name of the revision, such as v1-1-0. Every change of the image or the settings needs a new one."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$", var.revision))
    error_message = "revision must have up to 30 characters: lower case letters, digits and -."
  }
}

variable "stable_revision" {
  description = "Suffix of the revision that gets the rest of the traffic. Null: all of it reaches the newest revision."
  type        = string
  default     = null
}

variable "canary_weight" {
  description = "Share of the traffic of the newest revision in percent, with stable_revision."
  type        = number
  default     = 0

  validation {
    condition     = var.canary_weight >= 0 && var.canary_weight <= 100 && floor(var.canary_weight) == var.canary_weight
    error_message = "canary_weight must be an integer from 0 to 100."
  }
}

variable "migration_timeout_seconds" {
  description = "Timeout of the migrate job in seconds."
  type        = number
  default     = 3600
}

# Capacity

variable "cpu" {
  description = "vCPUs of an instance."
  type        = string
  default     = "2"
}

variable "memory" {
  description = "Memory of an instance."
  type        = string
  default     = "2Gi"
}

variable "min_instances" {
  description = "Minimum number of instances of serve."
  type        = number
  default     = 3
}

variable "max_instances" {
  description = "Maximum number of instances of serve. Cloud Run chooses the number by CPU utilization and concurrent requests."
  type        = number
  default     = 10

  validation {
    condition     = var.max_instances >= var.min_instances
    error_message = "max_instances must not be less than min_instances."
  }
}

# Network

variable "cidr" {
  description = "IPv4 range of the subnet."
  type        = string
  default     = "10.0.16.0/20"
}

# Data

variable "postgres_version" {
  description = "Major version of PostgreSQL."
  type        = number
  default     = 17
}

variable "database_tier" {
  description = "Machine type of the primary and the replica."
  type        = string
  default     = "db-custom-2-8192"
}

variable "redis_memory_gb" {
  description = "Memory of Redis in GiB."
  type        = number
  default     = 5
}

variable "highly_available" {
  description = "A standby and a replica of PostgreSQL, and a replica of Redis."
  type        = bool
  default     = true
}

variable "backup_retention_days" {
  description = "Number of daily backups that are kept."
  type        = number
  default     = 14
}

variable "deletion_protection" {
  description = "Rejects the deletion of the data stores and the services. Apply false before you destroy them."
  type        = bool
  default     = true
}

variable "secrets_version" {
  description = "Increment it to write a new database password and a new signing key."
  type        = number
  default     = 1
}
