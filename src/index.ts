// The public API, by name. Doors for frameworks and identities have entries of their own: partywall/fastify, partywall/identity,
// partywall/provisioners, and so have stores: partywall/secrets, partywall/backup.

export { defineConfig, type PartywallConfig, type RolloutConfig } from './config.ts'
export type { Actor } from './core/actor.ts'
export type { ApiKey, ApiKeys } from './core/api-keys.ts'
export type { AuditContext, AuditEntry, AuditedChange, AuditedStatement, AuditOutcome } from './core/audit-entry.ts'
export type { AuditRecorderStats } from './core/audit-recorder.ts'
export type { AuditEvent, AuditTrail } from './core/audit-trail.ts'
export type { TenantListOptions, TenantLookup, TenantPage } from './core/catalog.ts'
export { type Clock, systemClock } from './core/clock.ts'
export type { FairQueueOptions } from './core/fair-queue-bounds.ts'
export type { Filter, FilterOperators } from './core/filter.ts'
export { customDomain, type HintReader, header, path, subdomain, type TenantHint } from './core/hints.ts'
export type { Identity, IdentityProvider } from './core/identity.ts'
export type { CustomMask, CustomMasks, Mask, MaskRule } from './core/mask.ts'
export { MemoryAuditTrail } from './core/memory-audit-trail.ts'
export type { LeaseCost, TenancyObserver, WorkCost } from './core/observer.ts'
export type { Isolation, Placement } from './core/placement.ts'
export type { GateState, PlacedTenant, PlacementAdapter, PlacementFacts, PlacementFinding, PurgeCount } from './core/placement-adapter.ts'
export type { Plan } from './core/plans.ts'
export { fixedSealKeys, type SealKey, type SealKeys, storedSealKeys } from './core/seal-keys.ts'
export type { SecretStore } from './core/secret-store.ts'
export type { StandardSchema } from './core/standard-schema.ts'
export {
  type Json,
  parseTenantId,
  parseTenantRef,
  parseTenantSlug,
  type Tenant,
  type TenantFeatures,
  type TenantId,
  type TenantKeys,
  type TenantRef,
  type TenantSlug,
  type TenantStatus,
} from './core/tenant.ts'
export { type AcrossTenantsOptions, createTenantContext, type TenantContext, type TenantScope, type Trace } from './core/tenant-context.ts'
export type { CreateTenantInput, StatusChange, Tenants, UpdateTenantInput } from './core/tenants.ts'
export type { UsageMetric } from './core/usage-meter.ts'
export {
  AbortedError,
  AdmissionTimeoutError,
  AuditUnavailableError,
  AuditUnsoundError,
  BackupInvalidError,
  BackupNotFoundError,
  BodyTooLargeError,
  BootRefusedError,
  BreakGlassRefusedError,
  CacheUnavailableError,
  CallbackRefusedError,
  CapabilityLimitError,
  CapabilityRefusedError,
  CapacityError,
  CertificateInvalidError,
  ClosedError,
  ConfigurationError,
  ConnectionLostError,
  ConstraintError,
  DatabaseFullError,
  DatabaseUnavailableError,
  EnvelopeRefusedError,
  EventNotFoundError,
  EvidenceInvalidError,
  errorsByCode,
  FileCorruptError,
  FileExistsError,
  FileInfectedError,
  FileNotFoundError,
  GrantNotFoundError,
  HintMismatchError,
  IdentityRequiredError,
  IdentityUnavailableError,
  InternalError,
  InvalidHintError,
  InvalidIdentityError,
  InvalidInputError,
  InvalidTenantRefError,
  JobLostError,
  JobNotFoundError,
  LogLeakError,
  MediaTypeError,
  MigrationError,
  MoveDiffersError,
  MoveFailedError,
  MoveNotFoundError,
  MoveRefusedError,
  MoveStateError,
  NoTenantError,
  ObjectStoreError,
  OperationFailedError,
  OperationInProgressError,
  OperationNotCancellableError,
  OperationNotFoundError,
  OperationRequiredError,
  OverloadedError,
  PlacementConflictError,
  PolicyViolationError,
  ProvisionerError,
  PurgeIncompleteError,
  QuotaExceededError,
  RegionMismatchError,
  RolloutInProgressError,
  RolloutNotFoundError,
  RouteNotFoundError,
  RowNotFoundError,
  SecretStoreError,
  SerializationError,
  ServerExistsError,
  ServerInUseError,
  ServerNotFoundError,
  ServerRefusedError,
  SignedUrlRefusedError,
  StaleTenantError,
  StatementRefusedError,
  StatementTimeoutError,
  SubmittableRefusedError,
  TableRefusedError,
  TenancyError,
  type TenancyErrorOptions,
  TenantBusyError,
  TenantColumnError,
  TenantExistsError,
  TenantMovingError,
  TenantNotFoundError,
  TenantOffboardingError,
  TenantOnboardingError,
  TenantReadOnlyError,
  TenantRequiredError,
  TenantSuspendedError,
  TenantVersionError,
  TransactionAbortedError,
  TransactionClosedError,
  TransactionTimeoutError,
  WallBreachedError,
  WebhookFailedError,
  WebhookNotFoundError,
  WebhookRefusedError,
  WrongTenantError,
} from './errors.ts'
export type { EvidenceOptions } from './evidence/evidence.ts'
export { htmlOf as evidencePage } from './evidence/html.ts'
export type { EvidenceProof, EvidenceReport, EvidenceSection, EvidenceStatement, EvidenceVerdict } from './evidence/report.ts'
export { type SignedEvidence, verifyEvidence } from './evidence/signature.ts'
export { verifyEvidenceFile } from './evidence/verify-file.ts'
export { Fleet, type FleetOptions, openFleet } from './fleet.ts'
export type { AuditSettings } from './fleet-audit.ts'
export { directoryStore } from './objects/directory-store.ts'
export type { ByteRange, DirectAccess, DirectAccessSigner, FileStore, KeptObject, ObjectPage } from './objects/file-store.ts'
export { memoryStore } from './objects/memory-store.ts'
export type { ByteStream, ObjectOptions, ObjectStore, StoredObject } from './objects/object-store.ts'
export { certificateKeySet } from './operations/certificate-key.ts'
export type { PlanComparison } from './operations/change-plan.ts'
export type { Operation, OperationId, OperationListOptions, OperationProblem, OperationState, StepRecord } from './operations/journal.ts'
export type { KeepOptions, KeptRound, StockTarget } from './operations/keeper.ts'
export type { PlannedStep } from './operations/operation.ts'
export type { OperationEvent, OperationListener } from './operations/operation-event.ts'
export type {
  CloneTenant,
  OffboardOptions,
  OnboardTenant,
  OperationKind,
  OperationReport,
  Operations,
  VerbOptions,
} from './operations/operations.ts'
export {
  type CertifiedStore,
  type PurgeCertificate,
  type SignedCertificate,
  verifyCertificate,
} from './operations/purge-certificate.ts'
export type { PurgeOptions, PurgeStore } from './operations/purge-store.ts'
export type { Resumed, ResumeOptions } from './operations/runner.ts'
export type { Seed, SeedScope, TenantAdmin, TenantHooks } from './operations/tenant-life.ts'
export type { ExportProgress, WriteExportOptions, WrittenExport } from './portability/export-tenant.ts'
export type { ImportMode, ImportTold, TableProgress } from './portability/import-target.ts'
export type { ImportOptions, ImportReport } from './portability/import-tenant.ts'
export type { ManifestTable } from './portability/manifest.ts'
export type { ExportFormat } from './portability/portable-table.ts'
export type { OwnLogOptions, OwnLogPage } from './postgres/audit/own-log.ts'
export type { BootFinding, ProtectedTable } from './postgres/boot-gate.ts'
export type { Capability } from './postgres/capabilities.ts'
export type { DoctorOptions } from './postgres/doctor/fleet-doctor.ts'
export { type InstallOptions, installPartywall } from './postgres/install.ts'
export type { QueryOptions, Statement } from './postgres/lease.ts'
export type { MigrationFile, MigrationModule, MigrationSet, MigrationStep } from './postgres/migrations/migration-set.ts'
export type { Placements } from './postgres/placements/placements.ts'
export type { SchemaDatabaseOptions, SchemaDatabases, SharedDatabase } from './postgres/placements/schema-databases.ts'
export type { Stock, StockRequest } from './postgres/placements/stock.ts'
export type { Exports, Imports } from './postgres/portability/portability.ts'
export type { TableFinding } from './postgres/protect.ts'
export type { ReplicaBounds } from './postgres/replicas.ts'
export type { FindOptions, FoundRows, RepositoryOptions, TenantRepository } from './postgres/repository.ts'
export type { OrderBy, PageRequest } from './postgres/repository-page.ts'
export type { QueryResult } from './postgres/result.ts'
export type { RolePasswords } from './postgres/roles.ts'
export type { PlaceDrift } from './postgres/rollout/fleet-drift.ts'
export { type OpenMigrations, type OpenMigrationsOptions, openMigrations } from './postgres/rollout/open-rollout.ts'
export type { ErrorBudget, Ring } from './postgres/rollout/ring.ts'
export type { Rollout, RolloutPlan, RolloutResult, UpOptions, WorkOptions } from './postgres/rollout/rollout.ts'
export type { MigrationRun, RunState } from './postgres/rollout/runs.ts'
export type { FleetStatus, PlaceListOptions, PlacePage, PlaceStatus } from './postgres/rollout/status.ts'
export type { ServerWish } from './postgres/server-choice.ts'
export type { ServerFacts, ServerFinding } from './postgres/server-facts.ts'
export type { Replica, ResidencyFinding, Resident, Server, ServerState } from './postgres/server-rows.ts'
export type { NewServer, ServerLoad, ServerReport, Servers } from './postgres/servers.ts'
export type { TenantHandle } from './postgres/tenant-handle.ts'
export type { TenantPool } from './postgres/tenant-pool.ts'
export type { TenantTransaction } from './postgres/transaction.ts'
export type { IsolationLevel, StreamOptions, TransactionOptions } from './postgres/transaction-options.ts'
export type { UsageEntry, UsageRange } from './postgres/usage-log.ts'
export type { CacheEntry, CacheStore } from './resources/cache/cache.ts'
export { MemoryCacheStore } from './resources/cache/memory-cache.ts'
export type { CacheSetOptions, TenantCache } from './resources/cache/tenant-cache.ts'
export type { EventConsumer, EventConsumerOptions, EventFailure } from './resources/events/event-consumer.ts'
export type { DeadEvent, WhichDead } from './resources/events/event-store.ts'
export {
  type EventDelivery,
  type EventReaction,
  type EventSubscriber,
  type EventSubscriberOptions,
  eventSubscriber,
  on,
  type ReceivedEvent,
} from './resources/events/event-subscriber.ts'
export { type TenantEvent, tenantEvent } from './resources/events/tenant-event.ts'
export type { EventsOptions, PublishOptions, TenantEvents } from './resources/events/tenant-events.ts'
export type { GetFileOptions, OpenFile, PutFileOptions } from './resources/files/file-access.ts'
export type { FileInfo, FileQuota, FileUsage } from './resources/files/file-index.ts'
export { type FileKey, fileKey, parseFileKey } from './resources/files/file-key.ts'
export { filePurgeStore } from './resources/files/file-purge-store.ts'
export type { RelocateOptions, SweepOptions, Swept } from './resources/files/file-upkeep.ts'
export type { FileScanner, FilesOptions, ScanVerdict } from './resources/files/files-options.ts'
export type { FileBody } from './resources/files/intake.ts'
export { type FilesDoor, type SignedFileAnswer, type SignedFileRequest, serveSignedFile } from './resources/files/serve-signed-file.ts'
export type { SignedUrl, SignedUrlOptions } from './resources/files/signed-access.ts'
export { type SignedFile, SignedFileUrls, type SignedFileUrlsOptions } from './resources/files/signed-file-urls.ts'
export type { TenantFiles } from './resources/files/tenant-files.ts'
export type { JobInfo, JobState } from './resources/jobs/job-store.ts'
export type { JobFailure, JobWorker, JobWorkerOptions } from './resources/jobs/job-worker.ts'
export { type AnyTenantJob, type RunningJob, type TenantJob, type TenantJobOptions, tenantJob } from './resources/jobs/tenant-job.ts'
export type { EnqueueOptions, ScheduleInfo, ScheduleOptions, TenantJobs } from './resources/jobs/tenant-jobs.ts'
export type { SearchAttributes } from './resources/search/search-index.ts'
export type {
  RebuildProgress,
  SearchAnswer,
  SearchDocument,
  SearchHit,
  SearchOptions,
  SnippetPart,
  TenantSearch,
} from './resources/search/tenant-search.ts'
export type { TenantWebhooks } from './resources/webhooks/tenant-webhooks.ts'
export type { WebhookSenderOptions } from './resources/webhooks/webhook-sender.ts'
export { verifyWebhook } from './resources/webhooks/webhook-signature.ts'
export type { WebhookEndpoint } from './resources/webhooks/webhook-store.ts'
export { createTenancy, type Tenancy } from './tenancy.ts'
export type { RunOptions, TenancyOptions, TenancyStats } from './tenancy-options.ts'
export type { AuditNote, AuditOptions, TenantAudit } from './tenant-audit.ts'
export type { TenantUsage, UsageOptions, UsageQuery } from './tenant-usage.ts'
export { createWebhooks, type WebhookJobInput, type Webhooks, type WebhooksDoor, type WebhooksOptions } from './webhooks.ts'
