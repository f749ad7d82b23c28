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
  description = "Image of the stable version, with a tag other than latest, or a digest."
  type        = string

  validation {
    condition     = can(regex("(:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image needs a tag other than latest, or a digest: a rollback needs a name for the old version."
  }
}

variable "canary_image" {
  description = "Image of the canary. Null: no canary runs, and all of the traffic reaches the stable version."
  type        = string
  default     = null

  validation {
    condition     = var.canary_image == null || (can(regex("[:@]", var.canary_image)) && !endswith(coalesce(var.canary_image, "-"), ":latest"))
    error_message = "canary_image needs a tag other than latest, or a digest."
  }
}

variable "canary_weight" {
  description = "Share of the traffic of the canary in percent. 0, then 100 is a blue-green delivery."
  type        = number
  default     = 0

  validation {
    condition     = var.canary_weight >= 0 && var.canary_weight <= 100 && floor(var.canary_weight) == var.canary_weight
    error_message = "canary_weight must be an integer from 0 to 100."
  }
}

# Capacity

variable "cpu" {
  description = "CPU units of a serve task; 1024 are one vCPU."
  type        = number
  default     = 1024
}

variable "memory" {
  description = "Memory of a serve task in MiB."
  type        = number
  default     = 2048
}

variable "cpu_architecture" {
  description = "Architecture of the image: X86_64 or ARM64."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "cpu_architecture must be X86_64 or ARM64."
  }
}

variable "min_tasks" {
  description = "Minimum number of serve tasks."
  type        = number
  default     = 3

  validation {
    condition     = var.min_tasks >= 1
    error_message = "min_tasks must be at least 1."
  }
}

variable "max_tasks" {
  description = "Maximum number of serve tasks. The target utilization is 70 % CPU and 80 % memory."
  type        = number
  default     = 10

  validation {
    condition     = var.max_tasks >= var.min_tasks
    error_message = "max_tasks must not be less than min_tasks."
  }
}

variable "worker_tasks" {
  description = "Number of worker tasks."
  type        = number
  default     = 2
}

variable "auth_tasks" {
  description = "Number of auth tasks."
  type        = number
  default     = 2
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
  description = "Rejects the deletion of the databases and the load balancer. Apply false before you destroy them."
  type        = bool
  default     = true
}

variable "secrets_version" {
  description = "Increment it to write a new database password and a new signing key."
  type        = number
  default     = 1
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 365
}
