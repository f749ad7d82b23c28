# A virtual network with a subnet each for the workloads, PostgreSQL, and private endpoints.

resource "azurerm_virtual_network" "this" {
  name                = var.name
  location            = var.location
  resource_group_name = var.resource_group_name
  address_space       = [var.cidr]
  tags                = var.tags
}

resource "azurerm_subnet" "workloads" {
  name                 = "workloads"
  resource_group_name  = var.resource_group_name
  virtual_network_name = azurerm_virtual_network.this.name
  address_prefixes     = [cidrsubnet(var.cidr, 4, 1)]
  # The firewall of the Key Vault admits this subnet.
  service_endpoints = ["Microsoft.KeyVault"]

  dynamic "delegation" {
    for_each = var.workload_delegation == null ? [] : [var.workload_delegation]

    content {
      name = "workloads"

      service_delegation {
        name    = delegation.value
        actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
      }
    }
  }
}

# PostgreSQL accepts connections from the workloads only, on port 5432.
resource "azurerm_network_security_group" "database" {
  name                = "${var.name}-database"
  location            = var.location
  resource_group_name = var.resource_group_name
  tags                = var.tags
}

resource "azurerm_network_security_rule" "database" {
  for_each = {
    workloads = { priority = 100, access = "Allow", source = azurerm_subnet.workloads.address_prefixes[0], port = "5432" }
    # The primary and its standby replicate within their subnet.
    replication = { priority = 110, access = "Allow", source = azurerm_subnet.database.address_prefixes[0], port = "*" }
    others      = { priority = 4000, access = "Deny", source = "*", port = "*" }
  }

  name                        = each.key
  resource_group_name         = var.resource_group_name
  network_security_group_name = azurerm_network_security_group.database.name
  priority                    = each.value.priority
  access                      = each.value.access
  direction                   = "Inbound"
  protocol                    = "Tcp"
  source_address_prefix       = each.value.source
  source_port_range           = "*"
  destination_address_prefix  = "*"
  destination_port_range      = each.value.port
}

resource "azurerm_subnet" "database" {
  name                 = "database"
  resource_group_name  = var.resource_group_name
  virtual_network_name = azurerm_virtual_network.this.name
  address_prefixes     = [cidrsubnet(var.cidr, 8, 2)]

  delegation {
    name = "postgresql"

    service_delegation {
      name    = "Microsoft.DBforPostgreSQL/flexibleServers"
      actions = ["Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}

resource "azurerm_subnet_network_security_group_association" "database" {
  subnet_id                 = azurerm_subnet.database.id
  network_security_group_id = azurerm_network_security_group.database.id
}

resource "azurerm_subnet" "endpoints" {
  name                 = "endpoints"
  resource_group_name  = var.resource_group_name
  virtual_network_name = azurerm_virtual_network.this.name
  address_prefixes     = [cidrsubnet(var.cidr, 8, 3)]
}

resource "azurerm_private_dns_zone" "this" {
  for_each            = { database = "${var.name}.private.postgres.database.azure.com", redis = "privatelink.redis.azure.net" }
  name                = each.value
  resource_group_name = var.resource_group_name
  tags                = var.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "this" {
  for_each              = azurerm_private_dns_zone.this
  name                  = each.key
  resource_group_name   = var.resource_group_name
  private_dns_zone_name = each.value.name
  virtual_network_id    = azurerm_virtual_network.this.id
}
