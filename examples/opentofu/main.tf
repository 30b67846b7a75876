# One PostgreSQL server for one tenant, on Amazon RDS. provision.mjs speaks partywall's protocol around it.

provider "aws" {
  region = var.cloud_regions[var.region]

  default_tags {
    tags = merge(var.labels, { "managed-by" = "partywall", "partywall-tenant" = var.tenant_id })
  }
}

locals {
  name = "partywall-${var.server_key}"
}

resource "random_password" "admin" {
  length  = 40
  special = false
}

resource "aws_db_parameter_group" "this" {
  name   = local.name
  family = "postgres17"

  # Live moves read the log; connections are encrypted, or refused.
  parameter {
    name         = "rds.logical_replication"
    value        = "1"
    apply_method = "pending-reboot"
  }
  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }
  # A capability is a bind parameter: no log may hold one.
  parameter {
    name  = "log_parameter_max_length"
    value = "0"
  }
  parameter {
    name  = "log_parameter_max_length_on_error"
    value = "0"
  }
}

resource "aws_db_instance" "this" {
  identifier     = local.name
  engine         = "postgres"
  engine_version = "17"
  instance_class = lookup(var.instance_classes, var.plan, var.instance_classes["default"])

  allocated_storage     = 50
  max_allocated_storage = 1000
  storage_type          = "gp3"
  storage_encrypted     = true

  db_name  = "postgres"
  username = "partywall_admin"
  password = random_password.admin.result

  parameter_group_name   = aws_db_parameter_group.this.name
  db_subnet_group_name   = var.subnet_group_names[var.region]
  vpc_security_group_ids = var.security_group_ids[var.region]
  publicly_accessible    = false

  backup_retention_period      = 7
  performance_insights_enabled = true
  auto_minor_version_upgrade   = true
  deletion_protection          = var.deletion_protection
  # What must outlive the tenant is exported by off-boarding; a snapshot that stays would be data that was not purged.
  skip_final_snapshot      = true
  delete_automated_backups = true
}
