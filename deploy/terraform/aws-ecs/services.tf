# serve (stable and canary), worker and auth. Every service waits for the migrations.

locals {
  services = merge(
    {
      serve  = { count = var.min_tasks, target_group = "stable" }
      worker = { count = var.worker_tasks, target_group = null }
      auth   = { count = var.auth_tasks, target_group = "auth" }
    },
    # The canary has as many tasks as the stable version, so that it can take all of the traffic (blue-green).
    { for name in local.canary_enabled : name => { count = var.min_tasks, target_group = "canary" } },
  )

  autoscaled = setintersection(keys(local.services), ["serve", "canary"])
}

resource "aws_ecs_service" "this" {
  for_each        = local.services
  name            = "${var.name}-${each.key}"
  cluster         = aws_ecs_cluster.this.arn
  task_definition = aws_ecs_task_definition.this[each.key].arn
  launch_type     = "FARGATE"
  desired_count   = each.value.count
  propagate_tags  = "SERVICE"

  # A new task is healthy before an old one stops. A release whose tasks fail is rolled back, and the apply fails.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = each.value.target_group == null ? null : 60
  wait_for_steady_state              = true

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = module.network.private_subnet_ids
    security_groups  = [aws_security_group.api.id]
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = each.value.target_group == null ? [] : [each.value.target_group]

    content {
      target_group_arn = aws_lb_target_group.this[load_balancer.value].arn
      container_name   = "api"
      container_port   = 8080
    }
  }

  # Application Auto Scaling changes the count.
  lifecycle {
    ignore_changes = [desired_count]
  }

  depends_on = [terraform_data.migrate, aws_lb_listener.https, aws_lb_listener_rule.auth]
}

resource "aws_appautoscaling_target" "this" {
  for_each           = local.autoscaled
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.this[each.key].name}"
  min_capacity       = var.min_tasks
  max_capacity       = var.max_tasks
}

resource "aws_appautoscaling_policy" "cpu" {
  for_each           = local.autoscaled
  name               = "cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[each.key].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[each.key].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[each.key].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = 70
    scale_in_cooldown  = 300
    scale_out_cooldown = 60

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}

resource "aws_appautoscaling_policy" "memory" {
  for_each           = local.autoscaled
  name               = "memory"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[each.key].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[each.key].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[each.key].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = 80
    scale_in_cooldown  = 300
    scale_out_cooldown = 60

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageMemoryUtilization"
    }
  }
}
