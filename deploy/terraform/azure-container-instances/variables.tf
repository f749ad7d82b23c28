variable "subscription_id" {
  description = "Subscription of Azure."
  type        = string
}

variable "location" {
  description = "Region of Azure."
  type        = string
}

variable "name" {
  description = "Prefix of the names of all resources. Key Vault, PostgreSQL, Redis and the registry need globally unique names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,19}$", var.name))
    error_message = "name must have 5 to 20 characters: lower case letters, digits and -, and start with a letter."
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

variable "tags" {
  description = "Additional tags of all resources."
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

variable "platform" {
  description = "ContainerApps, or ContainerInstances, which cannot split traffic."
  type        = string
  default     = "ContainerApps"

  validation {
    condition     = contains(["ContainerApps", "ContainerInstances"], var.platform)
    error_message = "platform must be ContainerApps or ContainerInstances."
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

  validation {
    condition     = var.canary_weight == 0 || var.platform == "ContainerApps"
    error_message = "canary_weight needs platform ContainerApps: Container Instances cannot split traffic."
  }
}

# Capacity

variable "cpu" {
  description = "vCPUs of a container of the API."
  type        = number
  default     = 1
}

variable "memory_gb" {
  description = "Memory of a container of the API in GiB. Container Apps: twice the vCPUs."
  type        = number
  default     = 2
}

variable "min_replicas" {
  description = "Minimum number of replicas of serve."
  type        = number
  default     = 3
}

variable "max_replicas" {
  description = "Maximum number of replicas of serve. The target utilization is 70 % CPU and 80 % memory."
  type        = number
  default     = 10

  validation {
    condition     = var.max_replicas >= var.min_replicas
    error_message = "max_replicas must not be less than min_replicas."
  }
}

# Network

variable "cidr" {
  description = "IPv4 range of the virtual network, a /16."
  type        = string
  default     = "10.0.0.0/16"
}

variable "terraform_cidrs" {
  description = "Public addresses that run Terraform: clients of the Key Vault."
  type        = list(string)

  validation {
    condition     = length(var.terraform_cidrs) > 0 && !contains(var.terraform_cidrs, "0.0.0.0/0")
    error_message = "terraform_cidrs needs at least one address, and must not contain 0.0.0.0/0."
  }
}

# Data

variable "postgres_version" {
  description = "Major version of PostgreSQL."
  type        = number
  default     = 17
}

variable "database_sku" {
  description = "SKU of the primary; the replica has the same."
  type        = string
  default     = "GP_Standard_D2ds_v5"
}

variable "redis_sku" {
  description = "SKU of Managed Redis."
  type        = string
  default     = "Balanced_B5"
}

variable "highly_available" {
  description = "A standby and a replica of PostgreSQL, geo-redundant backups, and a replica of Redis."
  type        = bool
  default     = true
}

variable "backup_retention_days" {
  description = "Days that automated backups are kept, 7 to 35."
  type        = number
  default     = 14
}

variable "deletion_protection" {
  description = "Locks the data stores against deletion. Apply false before you destroy them."
  type        = bool
  default     = true
}

variable "secrets_version" {
  description = "Increment it to write a new database password and a new signing key."
  type        = number
  default     = 1
}
