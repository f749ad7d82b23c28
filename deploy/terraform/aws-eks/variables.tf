variable "region" {
  description = "Region of AWS."
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

variable "existing_cluster" {
  description = "Existing EKS cluster with its private subnets. The README lists its requirements. Null: creates a cluster."
  type        = object({ name = string, vpc_id = string, subnet_ids = list(string) })
  default     = null
}

variable "kubernetes_version" {
  description = "Minor version of Kubernetes, 1.30 or newer."
  type        = string
  default     = "1.34"

  validation {
    condition     = can(regex("^1\\.(3\\d|[4-9]\\d)$", var.kubernetes_version))
    error_message = "kubernetes_version must be 1.30 or newer."
  }
}

variable "api_server_cidrs" {
  description = "Public addresses that may reach the API server of Kubernetes, such as those that run Terraform. Empty: only the VPC."
  type        = list(string)
  default     = []

  validation {
    condition     = !contains(var.api_server_cidrs, "0.0.0.0/0")
    error_message = "api_server_cidrs must not contain 0.0.0.0/0."
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

# Network

variable "domain_name" {
  description = "Host name of the API."
  type        = string
}

variable "zone_id" {
  description = "Route 53 zone of the host name."
  type        = string
}

variable "vpc_cidr" {
  description = "IPv4 range of the VPC, a /16."
  type        = string
  default     = "10.0.0.0/16"
}

variable "zones" {
  description = "Number of availability zones, 2 to 4."
  type        = number
  default     = 3
}

variable "internal_cidr" {
  description = "Clients of port 8080, the load balancer included."
  type        = string
  default     = "10.0.0.0/8"
}

variable "monitoring_cidr" {
  description = "Subnet of Prometheus, the clients of port 9090."
  type        = string
  default     = "10.0.1.0/24"
}

# Data

variable "existing_secret_arn" {
  description = "Entry in Secrets Manager with the URLs of existing data stores. Null: creates PostgreSQL, Redis and the entry."
  type        = string
  default     = null
}

variable "database_ca_file" {
  description = "File with the CA certificates of RDS in the region, in PEM format; see the README."
  type        = string
}

variable "postgres_version" {
  description = "Major version of PostgreSQL."
  type        = number
  default     = 17
}

variable "database_instance_class" {
  description = "Instance class of the primary and the replica."
  type        = string
  default     = "db.m7g.large"
}

variable "redis_node_type" {
  description = "Node type of Redis."
  type        = string
  default     = "cache.m7g.large"
}

variable "redis_shards" {
  description = "Number of shards of Redis."
  type        = number
  default     = 3
}

variable "highly_available" {
  description = "A standby and a replica of PostgreSQL, replicas of Redis, a NAT gateway per zone."
  type        = bool
  default     = true
}

variable "backup_retention_days" {
  description = "Days that automated backups are kept, 1 to 35."
  type        = number
  default     = 14
}

variable "deletion_protection" {
  description = "Rejects the deletion of the databases. Apply false before you destroy them."
  type        = bool
  default     = true
}

variable "secrets_version" {
  description = "Increment it to write a new database password and a new signing key."
  type        = number
  default     = 1
}
