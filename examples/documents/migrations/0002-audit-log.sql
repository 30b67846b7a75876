-- The tenant's own log of every access (docs/guides/audit-log.md).
select partywall.create_audit_log();
