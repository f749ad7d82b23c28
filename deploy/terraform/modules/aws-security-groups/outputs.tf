output "load_balancer_id" {
  description = "Group of the public load balancer."
  value       = aws_security_group.load_balancer.id
}

output "database_id" {
  description = "Group of PostgreSQL."
  value       = aws_security_group.store["database"].id
}

output "redis_id" {
  description = "Group of Redis."
  value       = aws_security_group.store["redis"].id
}
