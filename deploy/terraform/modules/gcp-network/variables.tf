variable "name" {
  description = "Prefix of the names of all resources."
  type        = string
}

variable "region" {
  description = "Region of the subnet."
  type        = string
}

variable "cidr" {
  description = "IPv4 range of the subnet."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr, 0))
    error_message = "cidr must be a range, such as 10.0.0.0/20."
  }
}
