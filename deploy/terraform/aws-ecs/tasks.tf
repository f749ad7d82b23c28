# One task definition per role and image. Secrets are references: ECS reads them when a task starts.

locals {
  ca_path      = "/etc/ssl/stores/database.pem"
  canary_image = coalesce(var.canary_image, var.image)

  tasks = {
    serve   = { command = ["serve"], image = var.image, cpu = var.cpu, memory = var.memory }
    canary  = { command = ["serve"], image = local.canary_image, cpu = var.cpu, memory = var.memory }
    worker  = { command = ["worker"], image = var.image, cpu = 512, memory = 1024 }
    auth    = { command = ["auth"], image = var.image, cpu = 512, memory = 1024 }
    migrate = { command = ["migrate", "up", "--json"], image = local.canary_image, cpu = 512, memory = 1024 }
  }

  secrets = {
    PCF_API__DATABASE__URL         = "database-url"
    PCF_API__DATABASE__REPLICA_URL = "database-replica-url"
    PCF_API__REDIS__URL            = "redis-url"
    PCF_API__AUTH__JWT_SECRET      = "jwt-secret"
  }
}

data "aws_iam_policy_document" "ecs" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

# Used by ECS to pull the image, write logs and read the secrets.
resource "aws_iam_role" "execution" {
  name_prefix        = "${var.name}-exec-"
  assume_role_policy = data.aws_iam_policy_document.ecs.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

data "aws_iam_policy_document" "secrets" {
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [local.secret_arn]
  }
}

resource "aws_iam_role_policy" "secrets" {
  name   = "secrets"
  role   = aws_iam_role.execution.name
  policy = data.aws_iam_policy_document.secrets.json
}

# Role of the API itself: without permissions, because it uses no API of AWS.
resource "aws_iam_role" "task" {
  name_prefix        = "${var.name}-task-"
  assume_role_policy = data.aws_iam_policy_document.ecs.json
}

resource "aws_ecs_task_definition" "this" {
  for_each                 = local.tasks
  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  volume {
    name = "ca"
  }

  container_definitions = jsonencode([
    {
      # Writes the CA certificates of RDS, which exist as text only. Root: Fargate creates volumes with root as owner.
      name                   = "ca"
      image                  = each.value.image
      essential              = false
      user                   = "0:0"
      readonlyRootFilesystem = true
      entryPoint             = ["node", "-e"]
      command                = ["require('node:fs').writeFileSync('/ca/database.pem', process.env.CA)"]
      environment            = [{ name = "CA", value = file(var.database_ca_file) }]
      mountPoints            = [{ sourceVolume = "ca", containerPath = "/ca" }]
    },
    {
      name                   = "api"
      image                  = each.value.image
      essential              = true
      command                = each.value.command
      user                   = "1001:1001"
      readonlyRootFilesystem = true
      stopTimeout            = 45 # longer than the shutdown of the API: its delay and timeout
      dependsOn              = [{ containerName = "ca", condition = "SUCCESS" }]
      mountPoints            = [{ sourceVolume = "ca", containerPath = dirname(local.ca_path), readOnly = true }]
      portMappings           = [{ containerPort = 8080 }, { containerPort = 9090 }]
      linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }

      environment = [
        { name = "PCF_API__ENVIRONMENT", value = var.environment },
        { name = "PCF_API__REDIS__MODE", value = "cluster" },
        # The load balancer is the only proxy: its X-Forwarded-For identifies clients.
        { name = "PCF_API__SERVER__TRUSTED_PROXIES", value = "1" },
        # A new version of the secrets starts new tasks, which read them.
        { name = "SECRETS_VERSION", value = tostring(var.secrets_version) },
      ]
      secrets = [
        for variable, key in local.secrets : { name = variable, valueFrom = "${local.secret_arn}:${key}::" }
      ]

      healthCheck = each.key == "migrate" ? null : {
        command     = ["CMD", "node", "dist/api-server/main.js", "healthcheck"]
        interval    = 10
        timeout     = 3
        retries     = 3
        startPeriod = 30
      }

      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.api.name
          awslogs-region        = var.region
          awslogs-stream-prefix = each.key
        }
      }
    },
  ])
}

# Runs the migrations of the newest image, and fails the apply unless they succeed. Services depend on it,
# so no task of a new image starts before its migrations. Needs the AWS CLI.
resource "terraform_data" "migrate" {
  triggers_replace = [aws_ecs_task_definition.this["migrate"].arn]

  provisioner "local-exec" {
    command = "${path.module}/migrate.sh"
    environment = {
      AWS_REGION      = var.region
      CLUSTER         = aws_ecs_cluster.this.arn
      TASK_DEFINITION = aws_ecs_task_definition.this["migrate"].arn
      SUBNETS         = join(",", module.network.private_subnet_ids)
      SECURITY_GROUP  = aws_security_group.api.id
    }
  }

  # The task reaches the database and the log group, and may read the secrets.
  depends_on = [module.data, module.security_groups, aws_iam_role_policy.secrets, aws_iam_role_policy_attachment.execution]
}
