variable "tenant_id" {
  description = "Whose server it is. Part of tags, never of names that others can read."
  type        = string
}

variable "server_key" {
  description = "24 hexadecimal digits, derived from the tenant: names of resources are made of it."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{24}$", var.server_key))
    error_message = "server_key is not 24 hexadecimal digits."
  }
}

variable "region" {
  description = "The region as partywall's catalog names it."
  type        = string
}

variable "plan" {
  description = "The tenant's plan: chooses the size of the instance."
  type        = string
}

variable "labels" {
  description = "Labels of the request, as tags."
  type        = map(string)
  default     = {}
}

variable "cloud_regions" {
  description = "Which region of the cloud stands for which of ours."
  type        = map(string)
  default = {
    eu = "eu-central-1"
    us = "us-east-1"
  }
}

variable "instance_classes" {
  description = "The size of the instance by plan; `default` for every other."
  type        = map(string)
  default = {
    default    = "db.t4g.medium"
    enterprise = "db.m7g.large"
  }
}

variable "subnet_group_names" {
  description = "An existing DB subnet group for each of our regions: private subnets that the application can reach."
  type        = map(string)
}

variable "security_group_ids" {
  description = "Security groups for each of our regions: they let the application's processes in on 5432, and nobody else."
  type        = map(list(string))
}

variable "deletion_protection" {
  description = "Refuses `destroy`. Off-boarding needs it off."
  type        = bool
  default     = false
}
