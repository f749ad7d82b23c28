# The rules of the deployment guide. Of the API: in 8080 (internal) and 9090 (monitoring); out 5432, 6379 and 443.
# Of the load balancer: in 443 from anywhere, the only public port; out 8080 to the API.
# DNS needs no rule: security groups do not filter the resolver of the VPC.

locals {
  stores = { database = 5432, redis = 6379 }
}

resource "aws_security_group" "load_balancer" {
  name        = "${var.name}-load-balancer"
  description = "Public load balancer of the PCF API"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-load-balancer" }
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  security_group_id = aws_security_group.load_balancer.id
  description       = "HTTPS from anywhere"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "load_balancer" {
  security_group_id            = aws_security_group.load_balancer.id
  description                  = "Requests and health checks to the API"
  referenced_security_group_id = var.api_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 8080
  to_port                      = 8080
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  security_group_id = var.api_security_group_id
  description       = "GraphQL from internal addresses, the load balancer included"
  cidr_ipv4         = var.internal_cidr
  ip_protocol       = "tcp"
  from_port         = 8080
  to_port           = 8080
}

resource "aws_vpc_security_group_ingress_rule" "metrics" {
  security_group_id = var.api_security_group_id
  description       = "Metrics from the monitoring subnet"
  cidr_ipv4         = var.monitoring_cidr
  ip_protocol       = "tcp"
  from_port         = 9090
  to_port           = 9090
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = var.api_security_group_id
  description       = "Webhooks, identity providers, the registry and the APIs of AWS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "store" {
  for_each                     = local.stores
  security_group_id            = var.api_security_group_id
  description                  = "To ${each.key}"
  referenced_security_group_id = aws_security_group.store[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

# Groups of the data stores have no egress rule: a store opens no connection to clients.
resource "aws_security_group" "store" {
  for_each    = local.stores
  name        = "${var.name}-${each.key}"
  description = "Data store of the PCF API, port ${each.value}"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "store" {
  for_each                     = local.stores
  security_group_id            = aws_security_group.store[each.key].id
  description                  = "From the API"
  referenced_security_group_id = var.api_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}
