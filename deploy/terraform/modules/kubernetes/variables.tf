variable "namespace" {
  description = "Namespace of the PcfApi."
  type        = string
  default     = "platform"
}

variable "environment" {
  description = "Environment of the PcfApi."
  type        = string
}

variable "api_image" {
  description = "Image of the API."
  type        = string
}

variable "operator_image" {
  description = "Image of the operator."
  type        = object({ repository = string, tag = string })
}

variable "api_values" {
  description = "Fields of the spec of the PcfApi, merged over the defaults of this module."
  type        = any
}

variable "operator_values" {
  description = "Additional values of the chart of the operator."
  type        = any
  default     = {}
}

variable "secret_store" {
  description = "spec.provider of the SecretStore."
  type        = any
}

variable "secret_name" {
  description = "Entry in the store with the keys database-url, database-replica-url, redis-url and jwt-secret."
  type        = string
}

variable "ca_files" {
  description = "CA certificates of the data stores in PEM format, by file name. Mounted at /etc/ssl/stores."
  type        = map(string)
  default     = {}
}

variable "redis_mode" {
  description = "Topology of Redis: Standalone or Cluster."
  type        = string
}

variable "internal_cidr" {
  description = "Clients of port 8080, the load balancer included."
  type        = string
}

variable "monitoring_cidr" {
  description = "Clients of port 9090, in addition to the namespace monitoring."
  type        = string
}

variable "objects" {
  description = "Additional Kubernetes objects."
  type        = any
  default     = []
}

variable "external_secrets_version" {
  description = "Version of the chart of the External Secrets Operator."
  type        = string
  default     = "0.20.4"
}

variable "external_secrets_values" {
  description = "Values of the chart of the External Secrets Operator, such as the annotations of its ServiceAccount."
  type        = any
  default     = {}
}
