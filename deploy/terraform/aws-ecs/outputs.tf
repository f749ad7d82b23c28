output "url" {
  description = "URL of the GraphQL endpoint."
  value       = "https://${var.domain_name}/graphql"
}

output "repository_url" {
  description = "ECR repository to push the image to."
  value       = aws_ecr_repository.api.repository_url
}

output "secret_arn" {
  description = "Entry in Secrets Manager."
  value       = local.secret_arn
}

output "canary_weight" {
  description = "Share of the traffic that the canary gets, in percent."
  value       = local.canary_weight
}

output "store_security_group_ids" {
  description = "Groups that admit the API. Add them to existing data stores."
  value       = [module.security_groups.database_id, module.security_groups.redis_id]
}
