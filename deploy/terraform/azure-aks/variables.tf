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

# Cluster

variable "kubernetes_version" {
  description = "Minor version of Kubernetes, 1.30 or newer."
  type        = string
  default     = "1.34"

  validation {
    condition     = can(regex("^1\\.(3\\d|[4-9]\\d)$", var.kubernetes_version))
    error_message = "kubernetes_version must be 1.30 or newer."
  }
}

variable "node_size" {
  description = "Size of the nodes; the pool has 3 to 10."
  type        = string
  default     = "Standard_D4ds_v5"
}

variable "admin_group_ids" {
  description = "Groups of Microsoft Entra ID with administrator access to the cluster."
  type        = list(string)

  validation {
    condition     = length(var.admin_group_ids) > 0
    error_message = "admin_group_ids needs a group: the cluster has no local accounts."
  }
}

# Network

variable "domain_name" {
  description = "Host name of the API."
  type        = string
}

variable "tls" {
  description = "TLS of the Ingress, as spec.tls of a PcfApi: issuerRef of cert-manager, or secretName."
  type        = any
  default     = { secretName = "pcf-api-tls" }
}

variable "cidr" {
  description = "IPv4 range of the virtual network, a /16."
  type        = string
  default     = "10.0.0.0/16"
}

variable "pod_cidr" {
  description = "IPv4 range of the pods. The ingress controller is in it, the client of port 8080."
  type        = string
  default     = "10.244.0.0/16"
}

variable "monitoring_cidr" {
  description = "Clients of port 9090, in addition to the namespace monitoring."
  type        = string
  default     = "10.0.1.0/24"
}

variable "terraform_cidrs" {
  description = "Public addresses that run Terraform: clients of the API server of Kubernetes and of the Key Vault."
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
