// Every check, in the order of their names.

import type { DoctorCheck } from './check.ts'
import { abandonedOperation } from './checks/abandoned-operation.ts'
import { absentTable } from './checks/absent-table.ts'
import { adminOption } from './checks/admin-option.ts'
import { alwaysTruePolicy } from './checks/always-true-policy.ts'
import { appAttributes } from './checks/app-attributes.ts'
import { appCanBecome } from './checks/app-can-become.ts'
import { auditLogWritable } from './checks/audit-log-writable.ts'
import { borrowedTenantLogin } from './checks/borrowed-tenant-login.ts'
import { cascadeAcrossTenants } from './checks/cascade-across-tenants.ts'
import { caseTwins } from './checks/case-twins.ts'
import { catalogPrivileges } from './checks/catalog-privileges.ts'
import { changedInstallation } from './checks/changed-installation.ts'
import { changedPolicy } from './checks/changed-policy.ts'
import { checkCallsFunction } from './checks/check-calls-function.ts'
import { columnGrants } from './checks/column-grants.ts'
import { controlLoginAttributes } from './checks/control-login-attributes.ts'
import { controlLoginMembership } from './checks/control-login-membership.ts'
import { controlPlaneInReach } from './checks/control-plane-in-reach.ts'
import { controlReachesTables } from './checks/control-reaches-tables.ts'
import { createOnSchema } from './checks/create-on-schema.ts'
import { dangerousFunctions } from './checks/dangerous-functions.ts'
import { databaseOwner } from './checks/database-owner.ts'
import { databasePrivileges } from './checks/database-privileges.ts'
import { defaultExecute } from './checks/default-execute.ts'
import { defaultPrivileges } from './checks/default-privileges.ts'
import { definerFunctionBypasses } from './checks/definer-function-bypasses.ts'
import { definerSearchPath } from './checks/definer-search-path.ts'
import { definerTrigger } from './checks/definer-trigger.ts'
import { definerView } from './checks/definer-view.ts'
import { disabledTrigger } from './checks/disabled-trigger.ts'
import { exclusionWithoutTenant } from './checks/exclusion-without-tenant.ts'
import { expiredCapabilities } from './checks/expired-capabilities.ts'
import { failOpenPolicy } from './checks/fail-open-policy.ts'
import { foreignEventTrigger } from './checks/foreign-event-trigger.ts'
import { foreignKeyWithoutTenant } from './checks/foreign-key-without-tenant.ts'
import { foreignPermissivePolicy } from './checks/foreign-permissive-policy.ts'
import { foreignServers } from './checks/foreign-servers.ts'
import { foreignSubscription } from './checks/foreign-subscription.ts'
import { forgeablePolicy } from './checks/forgeable-policy.ts'
import { fullTextReadsAll } from './checks/full-text-reads-all.ts'
import { gateAgainstCatalog } from './checks/gate-against-catalog.ts'
import { globalTableWithTenantColumn } from './checks/global-table-with-tenant-column.ts'
import { grantOption } from './checks/grant-option.ts'
import { idleReplicationSlot } from './checks/idle-replication-slot.ts'
import { immutablePolicyFunction } from './checks/immutable-policy-function.ts'
import { indexWithoutTenant } from './checks/index-without-tenant.ts'
import { largeObjects } from './checks/large-objects.ts'
import { leakproofFunction } from './checks/leakproof-function.ts'
import { leftByMove } from './checks/left-by-move.ts'
import { loginLimits } from './checks/login-limits.ts'
import { longLivedCapability } from './checks/long-lived-capability.ts'
import { lostCommits } from './checks/lost-commits.ts'
import { md5Passwords } from './checks/md5-passwords.ts'
import { nameInPublic } from './checks/name-in-public.ts'
import { nameNearLimit } from './checks/name-near-limit.ts'
import { noPrimaryKey } from './checks/no-primary-key.ts'
import { noRestrictiveTwin } from './checks/no-restrictive-twin.ts'
import { noTenantIndex } from './checks/no-tenant-index.ts'
import { nullableTenantColumn } from './checks/nullable-tenant-column.ts'
import { openRootForMoves } from './checks/open-root-for-moves.ts'
import { overdueFence } from './checks/overdue-fence.ts'
import { ownedByApplication } from './checks/owned-by-application.ts'
import { ownerAttributes } from './checks/owner-attributes.ts'
import { parameterGrant } from './checks/parameter-grant.ts'
import { pgauditState } from './checks/pgaudit-state.ts'
import { policiesWithoutRowSecurity } from './checks/policies-without-row-security.ts'
import { policyForRoles } from './checks/policy-for-roles.ts'
import { policyFunctionSearchPath } from './checks/policy-function-search-path.ts'
import { policySubSelect } from './checks/policy-sub-select.ts'
import { powerRole } from './checks/power-role.ts'
import { publicConnect } from './checks/public-connect.ts'
import { publicPrivileges } from './checks/public-privileges.ts'
import { publicationPastPolicies } from './checks/publication-past-policies.ts'
import { reachablePartition } from './checks/reachable-partition.ts'
import { readableForeignTable } from './checks/readable-foreign-table.ts'
import { readableMaterializedView } from './checks/readable-materialized-view.ts'
import { replicaIdentity } from './checks/replica-identity.ts'
import { rewriteRule } from './checks/rewrite-rule.ts'
import { rowSecurityNotForced } from './checks/row-security-not-forced.ts'
import { rowSecurityOff } from './checks/row-security-off.ts'
import { rowSecurityWithoutPolicy } from './checks/row-security-without-policy.ts'
import { sequencePrivileges } from './checks/sequence-privileges.ts'
import { settingsForAll } from './checks/settings-for-all.ts'
import { shadowedBuiltin } from './checks/shadowed-builtin.ts'
import { shadowedTable } from './checks/shadowed-table.ts'
import { sharedLogin } from './checks/shared-login.ts'
import { sharedSequence } from './checks/shared-sequence.ts'
import { statementsReadable } from './checks/statements-readable.ts'
import { storedSettings } from './checks/stored-settings.ts'
import { stuckMove } from './checks/stuck-move.ts'
import { tablePrivileges } from './checks/table-privileges.ts'
import { tenantColumnCollation } from './checks/tenant-column-collation.ts'
import { tenantColumnType } from './checks/tenant-column-type.ts'
import { tenantLoginElsewhere } from './checks/tenant-login-elsewhere.ts'
import { uncheckedForeignKey } from './checks/unchecked-foreign-key.ts'
import { unencryptedConnections } from './checks/unencrypted-connections.ts'
import { uniqueKeyWithoutTenant } from './checks/unique-key-without-tenant.ts'
import { unloggedTable } from './checks/unlogged-table.ts'
import { unprotectedTable } from './checks/unprotected-table.ts'
import { untrustedFunction } from './checks/untrusted-function.ts'
import { valuesInLog } from './checks/values-in-log.ts'
import { vulnerableServer } from './checks/vulnerable-server.ts'
import { weakWithCheck } from './checks/weak-with-check.ts'
import { whoSeesAll } from './checks/who-sees-all.ts'
import { writableGlobalTable } from './checks/writable-global-table.ts'

export const allChecks: readonly DoctorCheck[] = [
  abandonedOperation,
  absentTable,
  adminOption,
  alwaysTruePolicy,
  appAttributes,
  appCanBecome,
  auditLogWritable,
  borrowedTenantLogin,
  cascadeAcrossTenants,
  caseTwins,
  catalogPrivileges,
  changedInstallation,
  changedPolicy,
  checkCallsFunction,
  columnGrants,
  controlLoginAttributes,
  controlLoginMembership,
  controlPlaneInReach,
  controlReachesTables,
  createOnSchema,
  dangerousFunctions,
  databaseOwner,
  databasePrivileges,
  defaultExecute,
  defaultPrivileges,
  definerFunctionBypasses,
  definerSearchPath,
  definerTrigger,
  definerView,
  disabledTrigger,
  exclusionWithoutTenant,
  expiredCapabilities,
  failOpenPolicy,
  foreignEventTrigger,
  foreignKeyWithoutTenant,
  foreignPermissivePolicy,
  foreignServers,
  foreignSubscription,
  forgeablePolicy,
  fullTextReadsAll,
  gateAgainstCatalog,
  globalTableWithTenantColumn,
  grantOption,
  idleReplicationSlot,
  immutablePolicyFunction,
  indexWithoutTenant,
  largeObjects,
  leakproofFunction,
  leftByMove,
  loginLimits,
  longLivedCapability,
  lostCommits,
  md5Passwords,
  nameInPublic,
  nameNearLimit,
  noPrimaryKey,
  noRestrictiveTwin,
  noTenantIndex,
  nullableTenantColumn,
  openRootForMoves,
  overdueFence,
  ownedByApplication,
  ownerAttributes,
  parameterGrant,
  pgauditState,
  policiesWithoutRowSecurity,
  policyForRoles,
  policyFunctionSearchPath,
  policySubSelect,
  powerRole,
  publicConnect,
  publicPrivileges,
  publicationPastPolicies,
  reachablePartition,
  readableForeignTable,
  readableMaterializedView,
  replicaIdentity,
  rewriteRule,
  rowSecurityNotForced,
  rowSecurityOff,
  rowSecurityWithoutPolicy,
  sequencePrivileges,
  settingsForAll,
  shadowedBuiltin,
  shadowedTable,
  sharedLogin,
  sharedSequence,
  statementsReadable,
  storedSettings,
  stuckMove,
  tablePrivileges,
  tenantColumnCollation,
  tenantColumnType,
  tenantLoginElsewhere,
  uncheckedForeignKey,
  unencryptedConnections,
  uniqueKeyWithoutTenant,
  unloggedTable,
  unprotectedTable,
  untrustedFunction,
  valuesInLog,
  vulnerableServer,
  weakWithCheck,
  whoSeesAll,
  writableGlobalTable,
]
