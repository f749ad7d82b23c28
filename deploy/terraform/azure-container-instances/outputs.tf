output "url" {
  description = "URL of the GraphQL endpoint. Container Instances: a private address, without TLS."
  value = (local.uses_apps
    ? "https://${azurerm_container_app.this["serve"].ingress[0].fqdn}/graphql"
    : "http://${azurerm_container_group.this[0].ip_address}:8080/graphql"
  )
}

output "registry" {
  description = "Container registry to push the image to."
  value       = azurerm_container_registry.this.login_server
}
