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

variable "operator_image" {
  description = "Image of the operator."
  type        = object({ repository = string, tag = string })
}

variable "api_values" {
  description = "Fields of the spec of the PcfApi (docs/reference.md). A field replaces the default of this module."
  type        = any
  default     = {}
}

# Capacity

variable "min_pods" {
  description = "Minimum number of pods of the API."
  type        = number
  default     = 3
}

variable "max_pods" {
  description = "Maximum number of pods of the API. The target utilization is 70 % CPU and 80 % memory."
  type        = number
  default     = 10

  validation {
    condition     = var.max_pods >= var.min_pods
    error_message = "max_pods must not be less than min_pods."
  }
}

# Network

variable "domain_name" {
  description = "Host name of the API."
  type        = string
}

variable "tls" {
  description = "TLS of the gateway, as spec.tls of a PcfApi: issuerRef of cert-manager, or secretName."
  type        = any
  default     = { secretName = "pcf-api-tls" }
}

variable "proxy_cidr" {
  description = "IPv4 range of the proxies of the load balancer, the clients of port 8080."
  type        = string
  default     = "10.0.8.0/23"
}

variable "monitoring_cidr" {
  description = "Clients of port 9090, in addition to the namespace monitoring."
  type        = string
  default     = "10.0.1.0/24"
}

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
  description = "Rejects the deletion of the cluster and the data stores. Apply false before you destroy them."
  type        = bool
  default     = true
}

variable "secrets_version" {
  description = "Increment it to write a new database password and a new signing key."
  type        = number
  default     = 1
}
