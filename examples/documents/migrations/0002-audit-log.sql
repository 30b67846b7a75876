-- The tenant's own log of every access (docs/guides/audit-log.md); and what changed in its documents, with the row before and after.
select partywall.create_audit_log();
-- A document's text is long, and is its owner's: the log has its hash, which tells whether it changed.
select partywall.audit_changes('documents', hash => '{content}');
