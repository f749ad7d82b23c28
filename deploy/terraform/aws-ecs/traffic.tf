# The load balancer splits the traffic by weight between two target groups: stable and canary.
# Requests with the header x-canary: true always reach the canary.

locals {
  has_canary     = var.canary_image != null
  canary_weight  = local.has_canary ? var.canary_weight : 0
  target_groups  = ["stable", "canary", "auth"]
  canary_enabled = toset(local.has_canary ? ["canary"] : [])
}

resource "aws_lb" "this" {
  name                       = var.name
  load_balancer_type         = "application"
  subnets                    = module.network.public_subnet_ids
  security_groups            = [module.security_groups.load_balancer_id]
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection
  # Longer than the keep-alive ping of subscriptions, shorter than server.keep_alive_timeout of the API (75 s),
  # so that the API never closes a connection that the load balancer reuses.
  idle_timeout = 60
}

resource "aws_lb_target_group" "this" {
  for_each    = toset(local.target_groups)
  name        = "${var.name}-${each.key}"
  vpc_id      = module.network.vpc_id
  target_type = "ip"
  protocol    = "HTTP"
  port        = 8080
  # Requests in progress finish: the timeout of the API's shutdown.
  deregistration_delay = 30

  health_check {
    path                = "/health/ready"
    matcher             = "200"
    interval            = 10
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  protocol          = "HTTPS"
  port              = 443
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = module.certificate.arn

  default_action {
    type = "forward"

    forward {
      target_group {
        arn    = aws_lb_target_group.this["stable"].arn
        weight = 100 - local.canary_weight
      }

      target_group {
        arn    = aws_lb_target_group.this["canary"].arn
        weight = local.canary_weight
      }
    }
  }
}

resource "aws_lb_listener_rule" "canary" {
  for_each     = local.canary_enabled
  listener_arn = aws_lb_listener.https.arn
  priority     = 20

  condition {
    http_header {
      http_header_name = "x-canary"
      values           = ["true"]
    }
  }

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this["canary"].arn
  }
}

resource "aws_lb_listener_rule" "auth" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 10

  condition {
    path_pattern {
      values = ["/auth", "/auth/*"]
    }
  }

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this["auth"].arn
  }
}

resource "aws_route53_record" "api" {
  zone_id = var.zone_id
  name    = var.domain_name
  type    = "A"

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = true
  }
}
