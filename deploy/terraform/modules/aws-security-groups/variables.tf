variable "name" {
  description = "Prefix of the names of all resources."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the groups."
  type        = string
}

variable "api_security_group_id" {
  description = "Group of the tasks or nodes that run the API."
  type        = string
}

variable "internal_cidr" {
  description = "Clients of port 8080, the load balancer included."
  type        = string

  validation {
    condition     = can(cidrhost(var.internal_cidr, 0)) && var.internal_cidr != "0.0.0.0/0"
    error_message = "internal_cidr must be a range such as 10.0.0.0/8: only port 443 is public."
  }
}

variable "monitoring_cidr" {
  description = "Subnet of Prometheus, the clients of port 9090."
  type        = string

  validation {
    condition     = can(cidrhost(var.monitoring_cidr, 0)) && var.monitoring_cidr != "0.0.0.0/0"
    error_message = "monitoring_cidr must be a range such as 10.0.1.0/24: metrics are not public."
  }
}
