output "secrets" {
  description = "Values of the secrets as a JSON object, for write-only arguments."
  ephemeral   = true
  value = jsonencode({
    "database-url"         = "${local.url_prefix}@${google_sql_database_instance.primary.private_ip_address}:5432/pcf?${local.url_query}"
    "database-replica-url" = "${local.url_prefix}@${try(google_sql_database_instance.replica[0], google_sql_database_instance.primary).private_ip_address}:5432/pcf?${local.url_query}"
    "redis-url"            = "rediss://${google_redis_instance.this.host}:${google_redis_instance.this.port}"
    "jwt-secret"           = ephemeral.random_password.jwt.result
  })
  depends_on = [google_sql_user.this, google_sql_database.this]
}

output "ca_files" {
  description = "CA certificates of the data stores in PEM format, by file name. They are public."
  value = {
    "database.pem" = join("\n", [for instance in local.instances : instance.server_ca_cert[0].cert])
    "redis.pem"    = join("\n", google_redis_instance.this.server_ca_certs[*].cert)
  }
}
