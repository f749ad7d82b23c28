output "secret_arn" {
  description = "Entry in Secrets Manager with the keys database-url, database-replica-url, redis-url and jwt-secret."
  value       = aws_secretsmanager_secret.this.arn
  # The API starts when the entry has a value.
  depends_on = [aws_secretsmanager_secret_version.this]
}

output "database_endpoint" {
  description = "Host and port of the primary."
  value       = aws_db_instance.primary.endpoint
}
