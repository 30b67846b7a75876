// What a log was at a moment, signed with a key that the database does not hold. Whoever rewrites the whole log cannot sign a head of it.

import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import type { TenantId } from '../core/tenant.ts'
import { ConfigurationError } from '../errors.ts'

/**
 * `head`: the log's last entry at that time. `pruned`: entries up to this one were removed because they had been kept long enough. They are
 * signed apart: were any head good as a checkpoint, a beginning could be deleted up to it and called pruned.
 */
export type HeadKind = 'head' | 'pruned'

/** The statement. */
export interface LogHead {
  readonly v: 1
  readonly kind: HeadKind
  readonly tenant: TenantId
  /** A decimal number. */
  readonly position: string
  /** Of the entry at that position; 64 hexadecimal digits. */
  readonly hash: string
  /** When it was signed, ISO 8601. */
  readonly at: string
}

/** The statement, who signed it, and the signature. */
export interface SignedHead extends LogHead {
  /** The id of the key: see {@link keyId}. */
  readonly key: string
  /** Ed25519 (RFC 8032), base64url. */
  readonly signature: string
}

/** Public keys by their ids. After a change of keys the old ones stay here, since what they signed is still to be verified. */
export type HeadKeys = ReadonlyMap<string, KeyObject>

/** The first 16 bytes of SHA-256 of the public key (SPKI, DER), in base64url. */
export function keyId(key: KeyObject): string {
  const open = key.type === 'private' ? createPublicKey(key) : key
  const der = open.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(der).digest().subarray(0, 16).toString('base64url')
}

/** @throws {ConfigurationError} unless the key is a private Ed25519 key. */
export function signHead(head: LogHead, key: KeyObject): SignedHead {
  if (key.type !== 'private' || key.asymmetricKeyType !== 'ed25519') {
    throw new ConfigurationError('Heads of audit logs are signed with a private Ed25519 key. Give one.')
  }
  const id = keyId(key)
  return { ...head, key: id, signature: sign(null, signedBytes(head, id), key).toString('base64url') }
}

/** The largest position: PostgreSQL's bigint. */
const positionMax = 2n ** 63n - 1n

/** A position of a log as it is written down: a decimal number that a bigint of PostgreSQL holds. */
export function isPosition(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9]{1,19}$/.test(value) && BigInt(value) <= positionMax
}

/** SHA-256 in hexadecimal. */
export function isHash(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

/** By its form alone: whether it was signed is {@link judgeHead}'s question. */
export function isSignedHead(value: unknown): value is SignedHead {
  if (typeof value !== 'object' || value === null) return false
  const { v, kind, tenant, position, hash, at, key, signature } = value as Partial<Record<keyof SignedHead, unknown>>
  const isKnown = v === 1 && (kind === 'head' || kind === 'pruned')
  return isKnown && isPosition(position) && isHash(hash) && [tenant, at, key, signature].every((text) => typeof text === 'string')
}

/** `unknown-key`: we hold no key of that id, so nothing is known of it. `forged`: we hold it, and it did not sign this. */
export function judgeHead(head: SignedHead, keys: HeadKeys): 'genuine' | 'unknown-key' | 'forged' {
  const key = keys.get(head.key)
  if (key === undefined) return 'unknown-key'
  return verify(null, signedBytes(head, head.key), key, Buffer.from(head.signature, 'base64url')) ? 'genuine' : 'forged'
}

/** In one order of fields, behind a name, so that a signature for another purpose is none of these. */
function signedBytes({ v, kind, tenant, position, hash, at }: LogHead, key: string): Buffer {
  return Buffer.from(`partywall audit head\n${JSON.stringify([v, kind, tenant, position, hash, at, key])}`)
}
