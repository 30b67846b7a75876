// partywall/audit: where heads of audit logs are kept, and how a log is judged without a database.

export type { AnchorStore } from './anchor-store.ts'
export type { AuditRow } from './chain.ts'
export { directoryAnchors } from './directory-anchor-store.ts'
export type { AuditFilter } from './entry-filter.ts'
export { type ExportManifest, type FileVerdict, verifyExport } from './export-log.ts'
export type { Anchored, AuditStatus, FleetAudit } from './fleet-audit.ts'
export { headKeysOf, type PublicLogKey } from './log-keys.ts'
export { type AnchorObjects, objectAnchors } from './object-anchor-store.ts'
export type { HeadKeys, SignedHead } from './signed-head.ts'
export { type AuditFinding, type AuditFindingKind, type AuditVerdict, type VerifyLogInput, verifyLog } from './verify-log.ts'
