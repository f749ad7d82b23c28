output "cluster_name" {
  description = "Cluster: az aks get-credentials --name <cluster_name> --resource-group <resource_group>"
  value       = azurerm_kubernetes_cluster.this.name
}

output "resource_group" {
  description = "Resource group of all resources."
  value       = azurerm_resource_group.this.name
}

output "registry" {
  description = "Container registry to push the images to."
  value       = azurerm_container_registry.this.login_server
}
