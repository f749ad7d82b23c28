variable "name" {
  description = "Prefix of the names of all resources."
  type        = string
}

variable "cidr" {
  description = "IPv4 range of the VPC, a /16."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "cidr must be a /16 range, such as 10.0.0.0/16."
  }
}

variable "zones" {
  description = "Number of availability zones, 2 to 4."
  type        = number

  validation {
    condition     = var.zones >= 2 && var.zones <= 4
    error_message = "zones must be 2 to 4: databases and load balancers need subnets in two zones."
  }
}

variable "nat_per_zone" {
  description = "Creates a NAT gateway in each zone instead of one."
  type        = bool
}
