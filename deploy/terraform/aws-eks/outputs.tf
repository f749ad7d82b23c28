output "cluster_name" {
  description = "Cluster: aws eks update-kubeconfig --name <cluster_name>"
  value       = local.cluster_name
}

output "repository_urls" {
  description = "ECR repositories to push the images to."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "secret_arn" {
  description = "Entry in Secrets Manager."
  value       = local.secret_arn
}

output "store_security_group_ids" {
  description = "Groups that admit the API. Add them to existing data stores."
  value       = [module.security_groups.database_id, module.security_groups.redis_id]
}
