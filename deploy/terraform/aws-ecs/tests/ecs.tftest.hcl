# Plans without credentials and without network: all data that AWS would return is overridden. Not a mock_provider,
# which does not support ephemeral resources. Run: tofu test (or terraform test).

provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

override_data {
  target = module.network.data.aws_availability_zones.available
  values = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
}

override_module {
  target  = module.certificate
  outputs = { arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1" }
}

variables {
  region           = "eu-central-1"
  image            = "registry.example.com/pcf-api:1.0.0"
  domain_name      = "api.example.com"
  zone_id          = "Z0123456789EXAMPLE"
  database_ca_file = "tests/ca.pem"
  # The data stores are not planned: their passwords are requested from AWS during the plan.
  existing_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pcf-api"
}

run "without_a_canary_all_traffic_reaches_stable" {
  command = plan

  variables {
    canary_weight = 40
  }

  assert {
    condition     = sort([for group in aws_lb_listener.https.default_action[0].forward[0].target_group : tostring(group.weight)]) == tolist(["0", "100"])
    error_message = "The weight applies without a canary."
  }

  assert {
    condition     = toset(keys(aws_ecs_service.this)) == toset(["serve", "worker", "auth"])
    error_message = "There must be a service for serve, worker and auth, and none for a canary."
  }
}

run "a_canary_gets_its_weight_and_the_header" {
  command = plan

  variables {
    canary_image  = "registry.example.com/pcf-api:1.1.0"
    canary_weight = 10
  }

  assert {
    condition     = sort([for group in aws_lb_listener.https.default_action[0].forward[0].target_group : tostring(group.weight)]) == tolist(["10", "90"])
    error_message = "The listener must split the traffic 90 to 10."
  }

  assert {
    condition     = one(one(aws_lb_listener_rule.canary["canary"].condition).http_header).http_header_name == "x-canary"
    error_message = "The header x-canary must select the canary."
  }

  assert {
    condition     = strcontains(aws_ecs_task_definition.this["migrate"].container_definitions, "pcf-api:1.1.0")
    error_message = "The migrate task must run the image of the canary."
  }

  assert {
    condition     = strcontains(aws_ecs_task_definition.this["serve"].container_definitions, "pcf-api:1.0.0")
    error_message = "The stable service must keep its image."
  }
}

run "autoscaling_is_3_to_10_at_cpu_70_and_memory_80" {
  command = plan

  assert {
    condition     = [aws_appautoscaling_target.this["serve"].min_capacity, aws_appautoscaling_target.this["serve"].max_capacity] == [3, 10]
    error_message = "The number of tasks must be 3 to 10."
  }

  assert {
    condition     = aws_appautoscaling_policy.cpu["serve"].target_tracking_scaling_policy_configuration[0].target_value == 70
    error_message = "The target of the CPU must be 70 %."
  }

  assert {
    condition     = aws_appautoscaling_policy.memory["serve"].target_tracking_scaling_policy_configuration[0].target_value == 80
    error_message = "The target of the memory must be 80 %."
  }
}

run "an_image_without_a_version_is_rejected" {
  command = plan

  variables {
    image = "registry.example.com/pcf-api:latest"
  }

  expect_failures = [var.image]
}

run "development_is_rejected" {
  command = plan

  variables {
    environment = "development"
  }

  expect_failures = [var.environment]
}
