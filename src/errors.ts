// Every error that partywall throws. One base, one class for each thing that a caller can do about it, one code each.
// A code is never reused once it has been released. docs/reference/errors.md has one section per code; a test keeps both in step.

/** One row of the error table: what HTTP says, whether trying again may help, and the text that an outsider may read. */
interface ErrorEntry {
  readonly code: string
  /** HTTP status that our middleware answers with. */
  readonly status: number
  /** May the same call succeed later, unchanged? */
  readonly retryable: boolean
  /** The public text. It never names a tenant, a table, a bound's value or an identifier. */
  readonly publicMessage: string
}

/** What a constructor takes beside the private message. */
export interface TenancyErrorOptions {
  readonly cause?: unknown
  /** Values for logs. They are never shown to an outsider. */
  readonly details?: Readonly<Record<string, unknown>>
  /** Overrides the table where one situation knows better, e.g. a lost connection before anything was sent. */
  readonly retryable?: boolean
}

/**
 * The base of every error that partywall throws.
 *
 * `message` is for developers and logs; `publicMessage` is what an outsider may read: it never tells one tenant of another.
 *
 * @example
 * ```ts
 * import { TenancyError } from 'partywall'
 *
 * function problem(error: unknown) {
 *   if (error instanceof TenancyError) return { status: error.status, code: error.code, title: error.publicMessage }
 *   throw error
 * }
 * ```
 */
export abstract class TenancyError extends Error {
  readonly code: string
  readonly status: number
  readonly retryable: boolean
  readonly publicMessage: string
  readonly details: Readonly<Record<string, unknown>>

  constructor(entry: ErrorEntry, message: string, options: TenancyErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = entry.code
    this.status = entry.status
    this.retryable = options.retryable ?? entry.retryable
    this.publicMessage = entry.publicMessage
    this.details = options.details ?? {}
  }
}

type ErrorClass = new (message: string, options?: TenancyErrorOptions) => TenancyError

/** A class for one row of the table. Spelled once so that a new situation is one line and cannot forget a field. */
function errorClass(code: string, status: number, retryable: boolean, publicMessage: string) {
  const entry: ErrorEntry = Object.freeze({ code, status, retryable, publicMessage })
  return class extends TenancyError {
    static readonly code: string = code
    constructor(message: string, options?: TenancyErrorOptions) {
      super(entry, message, options)
    }
  }
}

// ── Context ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Code that needs a tenant ran without one. A programming error: nothing ever falls back to a default tenant. */
export class NoTenantError extends errorClass('PW_NO_TENANT', 500, false, 'Internal error.') {}

/** The explicit tenant and the ambient one differ, or a nested `run` names another tenant. */
export class WrongTenantError extends errorClass('PW_WRONG_TENANT', 500, false, 'Internal error.') {}

// ── Tenants and the catalog ────────────────────────────────────────────────────────────────────────────────────────────

/** The text is neither a tenant id nor a slug in canonical form. */
export class InvalidTenantRefError extends errorClass('PW_INVALID_TENANT_REF', 400, false, 'The tenant reference is not valid.') {}

/** There is no such tenant, or the caller does not belong to it: the two are told apart nowhere. */
export class TenantNotFoundError extends errorClass('PW_TENANT_NOT_FOUND', 404, false, 'Not found.') {}

/** The tenant is suspended. */
export class TenantSuspendedError extends errorClass('PW_TENANT_SUSPENDED', 403, false, 'This account is suspended.') {}

/** The tenant is being off-boarded: it takes no more requests. */
export class TenantOffboardingError extends errorClass('PW_TENANT_OFFBOARDING', 403, false, 'This account is being closed.') {}

/** A tenant with this id, slug or domain exists already. */
export class TenantExistsError extends errorClass('PW_TENANT_EXISTS', 409, false, 'That name is taken.') {}

/** The tenant has changed since it was read: read it again and repeat the change. */
export class StaleTenantError extends errorClass('PW_STALE_TENANT', 409, true, 'Changed in the meantime. Try again.') {}

/** The tenant's placement is being made: it is not served yet. */
export class TenantOnboardingError extends errorClass('PW_TENANT_ONBOARDING', 503, true, 'Being set up. Try again shortly.') {}

/** The tenant's region is not that of its server: its data must not be there. */
export class RegionMismatchError extends errorClass('PW_REGION_MISMATCH', 409, false, 'Not possible in this region.') {}

/** A schema, database or login of the name is there already, and is not the tenant's. It was left as it is. */
export class PlacementConflictError extends errorClass('PW_PLACEMENT_CONFLICT', 409, false, 'Not possible at present.') {}

/** No database or server of the region has room for another tenant. */
export class CapacityError extends errorClass('PW_CAPACITY', 503, false, 'No room at present.') {}

/** The migrations where the tenant lives are older, or newer, than this version of the application can serve. */
export class TenantVersionError extends errorClass('PW_TENANT_VERSION', 503, true, 'Being upgraded. Try again shortly.') {}

/** The tenant is being moved and this statement cannot run at this moment. */
export class TenantMovingError extends errorClass('PW_TENANT_MOVING', 503, true, 'Briefly unavailable. Try again.') {}

/** The tenant may be read but not written at present. */
export class TenantReadOnlyError extends errorClass('PW_TENANT_READ_ONLY', 503, true, 'Read-only at present. Try again later.') {}

// ── Break-glass ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** There is no grant, or nobody of the staff, of this id. */
export class GrantNotFoundError extends errorClass('PW_GRANT_NOT_FOUND', 404, false, 'Not found.') {}

/** The grant does not open this, now, to this person; the message says why. Staff have no other way to a tenant's data. */
export class BreakGlassRefusedError extends errorClass('PW_BREAK_GLASS_REFUSED', 403, false, 'Access is refused.') {}

// ── The fleet ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The catalog has no server, or no replica, of this name. */
export class ServerNotFoundError extends errorClass('PW_SERVER_NOT_FOUND', 404, false, 'Not found.') {}

/** A server of this name is registered with another address. */
export class ServerExistsError extends errorClass('PW_SERVER_EXISTS', 409, false, 'That name is taken.') {}

/** The server is not fit to hold tenants. `findings` in the details has each reason, and what mends it. */
export class ServerRefusedError extends errorClass('PW_SERVER_REFUSED', 500, false, 'Internal error.') {}

/** Tenants live on the server: it cannot be removed, nor given back. */
export class ServerInUseError extends errorClass('PW_SERVER_IN_USE', 409, false, 'In use.') {}

/** The tool that makes servers failed, or answered what cannot be understood. */
export class ProvisionerError extends errorClass('PW_PROVISIONER', 503, false, 'Unavailable.') {}

/** The secret store does not answer (retryable), or refuses (not retryable). It never says any part of a secret. */
export class SecretStoreError extends errorClass('PW_SECRET_STORE', 503, true, 'Briefly unavailable. Try again.') {}

// ── Operations ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Another operation of this tenant is not over. `details` has its `id`, `kind`, `state` and `since`. */
export class OperationInProgressError extends errorClass('PW_OPERATION_IN_PROGRESS', 409, true, 'A change is under way. Try later.') {}

/** There is no such operation. */
export class OperationNotFoundError extends errorClass('PW_OPERATION_NOT_FOUND', 404, false, 'Not found.') {}

/** A step failed: the cause has why, `details` the `step` and the operation's `id`. It may be retried, or cancelled. */
export class OperationFailedError extends errorClass('PW_OPERATION_FAILED', 500, false, 'It could not be completed.') {}

/** There is no such move, or no open move of the tenant. */
export class MoveNotFoundError extends errorClass('PW_MOVE_NOT_FOUND', 404, false, 'Not found.') {}

/** The move's state does not allow what was asked. `details` has the move's id and its state; the message says what can be done. */
export class MoveStateError extends errorClass('PW_MOVE_STATE', 409, false, 'This cannot be done now.') {}

/** The tenant cannot be moved so: `details.findings` has what stands in the way, and SQL that mends it where it can be known. */
export class MoveRefusedError extends errorClass('PW_MOVE_REFUSED', 422, false, 'This tenant cannot be moved there.') {}

/** The two places do not have the same rows: `details.differences` has the tables, and the keys of some of the rows. Nothing was switched. */
export class MoveDiffersError extends errorClass('PW_MOVE_DIFFERS', 409, false, 'The copy is not the same.') {}

/** A step of a move failed; the cause has why. The move stands in a named state, and is tried again or cancelled. */
export class MoveFailedError extends errorClass('PW_MOVE_FAILED', 503, true, 'The move could not go on.') {}

/** The operation is over, or has come so far that it can only go on. */
export class OperationNotCancellableError extends errorClass('PW_OPERATION_NOT_CANCELLABLE', 409, false, 'It can no longer be undone.') {}

/** The tenant's gate is in another database than the catalog's, or the tenant is being set up or closed: only an operation may do this. */
export class OperationRequiredError extends errorClass('PW_OPERATION_REQUIRED', 409, false, 'Not possible this way.') {}

/** A store still has something of a tenant after its purge. `details` says what and where; nothing was certified. */
export class PurgeIncompleteError extends errorClass('PW_PURGE_INCOMPLETE', 500, true, 'Not everything could be deleted.') {}

/** A purge certificate does not verify: another key, another text, or none of ours. */
export class CertificateInvalidError extends errorClass('PW_CERTIFICATE_INVALID', 400, false, 'The certificate is not valid.') {}

/** An evidence report does not verify: another key, another text, or a page that does not show what was signed. */
export class EvidenceInvalidError extends errorClass('PW_EVIDENCE_INVALID', 400, false, 'The report is not valid.') {}

// ── Identity and hints ─────────────────────────────────────────────────────────────────────────────────────────────────

/** The request names no tenant, neither by its identity nor by a hint. */
export class TenantRequiredError extends errorClass('PW_TENANT_REQUIRED', 400, false, 'The request names no tenant.') {}

/** The request carries no identity. */
export class IdentityRequiredError extends errorClass('PW_IDENTITY_REQUIRED', 401, false, 'Authentication is required.') {}

/** The identity does not verify: signature, issuer, audience, lifetime, revocation. The public text never says which. */
export class InvalidIdentityError extends errorClass('PW_INVALID_IDENTITY', 401, false, 'Authentication failed.') {}

/** Whether the identity is good cannot be told now: its issuer's keys or the key store cannot be reached. Never a 401. */
export class IdentityUnavailableError extends errorClass('PW_IDENTITY_UNAVAILABLE', 503, true, 'Briefly unavailable. Try again.') {}

/** A host, header or path that names a tenant is malformed or given twice. */
export class InvalidHintError extends errorClass('PW_INVALID_HINT', 400, false, 'The request is malformed.') {}

/** Host, header and path name different tenants. */
export class HintMismatchError extends errorClass('PW_HINT_MISMATCH', 400, false, 'The request names more than one tenant.') {}

// ── Admission ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** This tenant has as many calls waiting as it may. Other tenants are served. */
export class TenantBusyError extends errorClass('PW_TENANT_BUSY', 429, true, 'Too many requests. Try again shortly.') {}

/** The whole queue is full. */
export class OverloadedError extends errorClass('PW_OVERLOADED', 503, true, 'Overloaded. Try again shortly.') {}

/** The call waited for a connection until its deadline. */
export class AdmissionTimeoutError extends errorClass('PW_ADMISSION_TIMEOUT', 503, true, 'Overloaded. Try again shortly.') {}

/** A tenant's audit log is not what it was: an entry was changed, removed or put in, or its end was cut off. */
export class AuditUnsoundError extends errorClass('PW_AUDIT_UNSOUND', 409, false, 'The audit log is not sound.') {}

/** What has to be recorded in the tenant's audit log cannot be. What was asked for was not sent. */
export class AuditUnavailableError extends errorClass('PW_AUDIT_UNAVAILABLE', 503, true, 'Briefly unavailable. Try again.') {}

/** The tenancy has been closed. */
export class ClosedError extends errorClass('PW_CLOSED', 503, false, 'Shutting down.') {}

// ── The database ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** The database does not know the capability, or it has expired. The lease has already tried once with a new one. */
export class CapabilityRefusedError extends errorClass('PW_CAPABILITY_REFUSED', 503, true, 'Briefly unavailable. Try again.') {}

/** The tenant holds as many live capabilities as it may. */
export class CapabilityLimitError extends errorClass('PW_CAPABILITY_LIMIT', 503, true, 'Briefly unavailable. Try again.') {}

/** A row-level security policy refused a write: the row would belong to another tenant. */
export class PolicyViolationError extends errorClass('PW_POLICY_VIOLATION', 403, false, 'Not allowed.') {}

/** The statement cannot run inside the wall: it would outlive its lease, or there is more than one. */
export class StatementRefusedError extends errorClass('PW_STATEMENT_REFUSED', 500, false, 'Internal error.') {}

/** A callback was passed where partywall takes promises only: it would run in somebody else's context. */
export class CallbackRefusedError extends errorClass('PW_CALLBACK_REFUSED', 500, false, 'Internal error.') {}

/** A `Submittable` (a cursor, a COPY stream) was passed to the pool look-alike. */
export class SubmittableRefusedError extends errorClass('PW_SUBMITTABLE_REFUSED', 500, false, 'Internal error.') {}

/** A statement ran longer than it may. It was cancelled. */
export class StatementTimeoutError extends errorClass('PW_STATEMENT_TIMEOUT', 504, true, 'Took too long.') {}

/** A transaction was open longer than it may. It was rolled back. */
export class TransactionTimeoutError extends errorClass('PW_TRANSACTION_TIMEOUT', 504, true, 'Took too long.') {}

/** A serialization failure or a deadlock: run the whole transaction again. */
export class SerializationError extends errorClass('PW_SERIALIZATION', 503, true, 'Conflicting changes. Try again.') {}

/** The transaction failed at an earlier statement, so that COMMIT rolled it back. */
export class TransactionAbortedError extends errorClass('PW_TRANSACTION_ABORTED', 500, false, 'Internal error.') {}

/** A transaction, cursor or leased client was used after its end. */
export class TransactionClosedError extends errorClass('PW_TRANSACTION_CLOSED', 500, false, 'Internal error.') {}

/** The caller's AbortSignal fired. */
export class AbortedError extends errorClass('PW_ABORTED', 499, false, 'Cancelled.') {}

/** The connection broke in mid-flight. `retryable` says whether the statement can have had no effect. */
export class ConnectionLostError extends errorClass('PW_CONNECTION_LOST', 503, false, 'Briefly unavailable.') {}

/** The database cannot be reached, or refuses connections. */
export class DatabaseUnavailableError extends errorClass('PW_DATABASE_UNAVAILABLE', 503, true, 'Briefly unavailable. Try again.') {}

/** The database has no space, memory or locks left. */
export class DatabaseFullError extends errorClass('PW_DATABASE_FULL', 503, false, 'Unavailable.') {}

/** The boot gate found the database unsafe. `findings` has each with the SQL that mends it. */
export class BootRefusedError extends errorClass('PW_BOOT_REFUSED', 500, false, 'Internal error.') {}

/** The live self-check got through the wall, or could not try. `attempts` in the details says where. */
export class WallBreachedError extends errorClass('PW_WALL_BREACHED', 500, false, 'Internal error.') {}

/** `protect()` refused a table. The message has the reasons and the SQL that mends each. */
export class TableRefusedError extends errorClass('PW_TABLE_REFUSED', 500, false, 'Internal error.') {}

/** A migration of the fleet to another version, or with other files, is not over. `details` has its `id`, `version` and `state`. */
export class RolloutInProgressError extends errorClass('PW_ROLLOUT_IN_PROGRESS', 409, true, 'A change is under way. Try later.') {}

/** There is no migration of the fleet that could be paused, resumed or aborted. */
export class RolloutNotFoundError extends errorClass('PW_ROLLOUT_NOT_FOUND', 404, false, 'Not found.') {}

/** A migration cannot be read, or failed: `details` say which file, in which schema, at which line. It left nothing behind. */
export class MigrationError extends errorClass('PW_MIGRATION', 500, false, 'Internal error.') {}

// ── Backups ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** There is no such backup: it was never completed, or it was deleted. */
export class BackupNotFoundError extends errorClass('PW_BACKUP_NOT_FOUND', 404, false, 'Not found.') {}

/** A backup is not what was written (changed, cut off, of another tenant), or its key is not there. Nothing of it was used. */
export class BackupInvalidError extends errorClass('PW_BACKUP_INVALID', 422, false, 'The backup cannot be used.') {}

/** The store of backups does not answer, refuses or has no space left. */
export class ObjectStoreError extends errorClass('PW_OBJECT_STORE', 503, true, 'Briefly unavailable. Try again.') {}

// ── Files ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The tenant has no file of this key. */
export class FileNotFoundError extends errorClass('PW_FILE_NOT_FOUND', 404, false, 'Not found.') {}

/** The tenant has a file of this key, and it was not to be replaced. */
export class FileExistsError extends errorClass('PW_FILE_EXISTS', 409, false, 'That name is taken.') {}

/** The tenant has as much as it may. Nothing of what was being stored is kept. */
export class QuotaExceededError extends errorClass('PW_QUOTA_EXCEEDED', 403, false, 'There is no room left.') {}

/** The scanner found something in the file. Nothing of it is kept. */
export class FileInfectedError extends errorClass('PW_FILE_INFECTED', 422, false, 'The file was refused.') {}

/** What the store has is not what was stored: changed, cut off, or gone. It was not given out as whole. */
export class FileCorruptError extends errorClass('PW_FILE_CORRUPT', 500, false, 'Internal error.') {}

/** A signed address opens nothing: forged, changed, expired, for another method or tenant, or older than the tenant's last change. */
export class SignedUrlRefusedError extends errorClass('PW_SIGNED_URL_REFUSED', 403, false, 'The address is not valid any more.') {}

// ── Caches ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The cache's server does not answer, so that nothing could be changed there. What is read is loaded from where it comes from meanwhile. */
export class CacheUnavailableError extends errorClass('PW_CACHE_UNAVAILABLE', 503, true, 'Briefly unavailable. Try again.') {}

// ── Logs ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The log guard of a test found something personal in a log, or no log at all. */
export class LogLeakError extends errorClass('PW_LOG_LEAK', 500, false, 'Internal error.') {}

// ── Jobs ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The job is not this runner's any more: it was taken for dead, and another has the job, or the job was taken away. Stop. */
export class JobLostError extends errorClass('PW_JOB_LOST', 409, false, 'Somebody else is doing this.') {}

/** The tenant has no such job, or none in that state. One that is done is gone. */
export class JobNotFoundError extends errorClass('PW_JOB_NOT_FOUND', 404, false, 'Not found.') {}

// ── Events ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** An envelope is forged, changed, expired, too long, of an unknown version, or of another tenant than where it was found. */
export class EnvelopeRefusedError extends errorClass('PW_ENVELOPE_REFUSED', 403, false, 'The message is not valid.') {}

/** The tenant has no such event among those that could not be delivered. */
export class EventNotFoundError extends errorClass('PW_EVENT_NOT_FOUND', 404, false, 'Not found.') {}

/** A webhook’s address is none that may be sent to: not https, or it leads into a private network. Or: a webhook that came does not verify. */
export class WebhookRefusedError extends errorClass('PW_WEBHOOK_REFUSED', 422, false, 'The address cannot be used.') {}

/** A webhook’s endpoint did not answer with success: it is tried again. */
export class WebhookFailedError extends errorClass('PW_WEBHOOK_FAILED', 502, true, 'The endpoint did not take the message.') {}

/** The tenant has no such endpoint of webhooks. */
export class WebhookNotFoundError extends errorClass('PW_WEBHOOK_NOT_FOUND', 404, false, 'Not found.') {}

// ── HTTP ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** No route has this method and path. */
export class RouteNotFoundError extends errorClass('PW_ROUTE_NOT_FOUND', 404, false, 'Not found.') {}

/** The body is longer than the route takes. */
export class BodyTooLargeError extends errorClass('PW_BODY_TOO_LARGE', 413, false, 'The request is too large.') {}

/** The body's media type is not one that the route reads. */
export class MediaTypeError extends errorClass('PW_MEDIA_TYPE', 415, false, 'The media type is not supported.') {}

/** Something failed that partywall does not know. The cause is in the log, never in the answer. */
export class InternalError extends errorClass('PW_INTERNAL', 500, false, 'Internal error.') {}

// ── Data and configuration ─────────────────────────────────────────────────────────────────────────────────────────────

/** A filter, order, page, value or reason that is not valid. */
export class InvalidInputError extends errorClass('PW_INVALID_INPUT', 400, false, 'The request is not valid.') {}

/** Data tried to set or change the tenant column. */
export class TenantColumnError extends errorClass('PW_TENANT_COLUMN', 400, false, 'The request is not valid.') {}

/** No such row for this tenant. */
export class RowNotFoundError extends errorClass('PW_ROW_NOT_FOUND', 404, false, 'Not found.') {}

/** A unique, foreign-key, check or not-null constraint refused the row. */
export class ConstraintError extends errorClass('PW_CONSTRAINT', 409, false, 'The change conflicts with existing data.') {}

/** A setting is missing, contradictory or out of range. */
export class ConfigurationError extends errorClass('PW_CONFIGURATION', 500, false, 'Internal error.') {}

/** Every error class by its code. */
export const errorsByCode: ReadonlyMap<string, ErrorClass> = new Map<string, ErrorClass>(
  [
    NoTenantError,
    WrongTenantError,
    InvalidTenantRefError,
    TenantNotFoundError,
    TenantSuspendedError,
    TenantOffboardingError,
    TenantExistsError,
    StaleTenantError,
    TenantMovingError,
    TenantReadOnlyError,
    GrantNotFoundError,
    BreakGlassRefusedError,
    TenantOnboardingError,
    RegionMismatchError,
    PlacementConflictError,
    CapacityError,
    TenantVersionError,
    ServerNotFoundError,
    ServerExistsError,
    ServerRefusedError,
    ServerInUseError,
    ProvisionerError,
    SecretStoreError,
    OperationInProgressError,
    OperationNotFoundError,
    OperationFailedError,
    OperationNotCancellableError,
    MoveNotFoundError,
    MoveStateError,
    MoveRefusedError,
    MoveDiffersError,
    MoveFailedError,
    OperationRequiredError,
    PurgeIncompleteError,
    CertificateInvalidError,
    EvidenceInvalidError,
    TenantRequiredError,
    IdentityRequiredError,
    InvalidIdentityError,
    IdentityUnavailableError,
    InvalidHintError,
    HintMismatchError,
    TenantBusyError,
    OverloadedError,
    AdmissionTimeoutError,
    AuditUnavailableError,
    AuditUnsoundError,
    ClosedError,
    CapabilityRefusedError,
    CapabilityLimitError,
    PolicyViolationError,
    StatementRefusedError,
    CallbackRefusedError,
    SubmittableRefusedError,
    StatementTimeoutError,
    TransactionTimeoutError,
    SerializationError,
    TransactionAbortedError,
    TransactionClosedError,
    AbortedError,
    ConnectionLostError,
    DatabaseUnavailableError,
    DatabaseFullError,
    BootRefusedError,
    WallBreachedError,
    TableRefusedError,
    MigrationError,
    RolloutInProgressError,
    RolloutNotFoundError,
    BackupNotFoundError,
    BackupInvalidError,
    ObjectStoreError,
    FileNotFoundError,
    FileExistsError,
    QuotaExceededError,
    FileInfectedError,
    FileCorruptError,
    SignedUrlRefusedError,
    CacheUnavailableError,
    LogLeakError,
    JobLostError,
    JobNotFoundError,
    EnvelopeRefusedError,
    EventNotFoundError,
    WebhookRefusedError,
    WebhookFailedError,
    WebhookNotFoundError,
    RouteNotFoundError,
    BodyTooLargeError,
    MediaTypeError,
    InternalError,
    InvalidInputError,
    TenantColumnError,
    RowNotFoundError,
    ConstraintError,
    ConfigurationError,
  ].map((cls) => [cls.code, cls]),
)
