variable "domain_name" {
  description = "Host name of the API."
  type        = string
}

variable "zone_id" {
  description = "Route 53 zone of the host name."
  type        = string
}
