// The key of a tenant's backups: 32 random bytes in the secret store, one for all backups of the tenant. Each backup has a key of its
// own besides, which is wrapped by it. Whoever deletes the tenant's key makes all of its backups unreadable, wherever copies of them are.

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { SecretReader } from '../core/secret-reader.ts'
import type { SecretStore } from '../core/secret-store.ts'
import type { TenantId } from '../core/tenant.ts'
import { BackupInvalidError, ConfigurationError } from '../errors.ts'

/** A tenant's backup key, by what it is used for. */
export interface BackupKey {
  /** Says which key it is, and nothing about it: 16 hexadecimal digits. */
  readonly id: string
  /** Wraps the keys of backups. */
  readonly wrapping: Buffer
  /** Seals manifests. */
  readonly manifest: Buffer
}

const nonceBytes = 12
const tagBytes = 16

/** The name of the key in the secret store. It goes with the tenant's other secrets when the tenant is off-boarded. */
export function backupSecretName(id: TenantId): string {
  return `tenant/${id}/backup`
}

/**
 * The key of a tenant, made when there is none yet.
 *
 * @throws {ConfigurationError} when what is kept under its name is no such key: it is never replaced, since the backups that it opens
 * would be lost.
 */
export async function ensureBackupKey(secrets: SecretStore, tenant: TenantId): Promise<BackupKey> {
  const name = backupSecretName(tenant)
  if ((await secrets.get(name)) === undefined) await secrets.put(name, randomBytes(32).toString('base64url'))
  // Two may have made one at the same time: both go by the one that is there now.
  const key = await findBackupKey(secrets, tenant)
  if (key === undefined) throw new ConfigurationError(`The secret store did not keep ${name}.`)
  return key
}

/** @returns undefined when the tenant has none: it was never backed up, or it was off-boarded. */
export async function findBackupKey(secrets: SecretReader, tenant: TenantId): Promise<BackupKey | undefined> {
  const name = backupSecretName(tenant)
  const text = await secrets.get(name)
  if (text === undefined) return undefined
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.byteLength !== 32) throw new ConfigurationError(`The secret ${name} is not a backup key: 32 bytes in base64url.`)
  const derived = (use: string, length: number): Buffer => Buffer.from(hkdfSync('sha256', bytes, '', `partywall backup ${use}`, length))
  return { id: derived('id', 8).toString('hex'), wrapping: derived('wrapping', 32), manifest: derived('manifest', 32) }
}

/** Encrypts a small text or key, bound to `context`. */
export function wrap(key: Buffer, plain: Uint8Array, context: string): string {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(Buffer.from(context))
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64url')
}

/** @throws {BackupInvalidError} when it was changed, has another context, or was wrapped by another key. */
export function unwrap(key: Buffer, wrapped: string, context: string): Buffer {
  const bytes = Buffer.from(wrapped, 'base64url')
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
    decipher.setAAD(Buffer.from(context))
    decipher.setAuthTag(bytes.subarray(-tagBytes))
    return Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()])
  } catch (cause) {
    throw new BackupInvalidError('What is sealed in the manifest was changed, belongs to another backup, or needs another key.', { cause })
  }
}
