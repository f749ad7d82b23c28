output "workload_subnet_id" {
  description = "Subnet of the workloads."
  value       = azurerm_subnet.workloads.id
}

output "workload_cidr" {
  description = "IPv4 range of the workloads."
  value       = azurerm_subnet.workloads.address_prefixes[0]
}

output "database_subnet_id" {
  description = "Subnet of PostgreSQL."
  value       = azurerm_subnet.database.id
}

output "endpoint_subnet_id" {
  description = "Subnet of private endpoints."
  value       = azurerm_subnet.endpoints.id
}

output "private_dns_zone_ids" {
  description = "Private DNS zones of database and redis, after their link to the network."
  value       = { for name, zone in azurerm_private_dns_zone.this : name => zone.id }
  depends_on  = [azurerm_private_dns_zone_virtual_network_link.this]
}
