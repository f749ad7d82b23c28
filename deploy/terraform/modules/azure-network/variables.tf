variable "name" {
  description = "Prefix of the names of all resources."
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

variable "cidr" {
  description = "IPv4 range of the virtual network, a /16."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "cidr must be a /16 range, such as 10.0.0.0/16."
  }
}

variable "workload_delegation" {
  description = "Service that the subnet of the workloads is delegated to, such as Microsoft.App/environments. Null: none, for AKS."
  type        = string
}
