output "secrets" {
  description = "Values of the secrets as a JSON object, for write-only arguments."
  ephemeral   = true
  value = jsonencode({
    "database-url"         = "${local.url_prefix}@${azurerm_postgresql_flexible_server.primary.fqdn}:${local.url_suffix}"
    "database-replica-url" = "${local.url_prefix}@${try(azurerm_postgresql_flexible_server.replica[0], azurerm_postgresql_flexible_server.primary).fqdn}:${local.url_suffix}"
    "redis-url"            = "rediss://:${urlencode(azurerm_managed_redis.this.default_database[0].primary_access_key)}@${azurerm_managed_redis.this.hostname}:10000"
    "jwt-secret"           = ephemeral.random_password.jwt.result
  })
  depends_on = [azurerm_postgresql_flexible_server_database.this, azurerm_private_endpoint.redis]
}

output "key_vault_id" {
  description = "Key Vault, which Terraform may write to."
  value       = azurerm_key_vault.this.id
  depends_on  = [azurerm_role_assignment.terraform]
}

output "key_vault_uri" {
  description = "URI of the Key Vault."
  value       = azurerm_key_vault.this.vault_uri
}
