// Keys that messages are sealed with: the newest seals, all that are still kept open. A key has an id, which travels with what it sealed.

import { ConfigurationError } from '../errors.ts'
import { type Clock, systemClock } from './clock.ts'
import type { SecretReader } from './secret-reader.ts'

/** A key of HMAC-SHA-256. */
export interface SealKey {
  /** 1 to 48 of a-z, 0-9, "-" and "_". It is no secret. */
  readonly id: string
  /** At least 32 bytes. */
  readonly secret: Uint8Array
}

export interface SealKeys {
  /** The key that seals. */
  current(): Promise<SealKey>
  /** The key of an id that a message names; undefined for one that is not kept any more. */
  find(id: string): Promise<SealKey | undefined>
}

const idPattern = /^[a-z0-9][a-z0-9_-]{0,47}$/
const secretBytesMin = 32
/** How long the name of the key that seals is believed, in milliseconds. */
const currentTtlMs = 60_000
const keysKeptMax = 100

/** Can a key be called so? */
export function isSealKeyId(id: unknown): id is string {
  return typeof id === 'string' && idPattern.test(id)
}

/**
 * Keys that the process has in hand: the first seals, all of them open. To change one, put the new one at the end everywhere, then to the
 * front, and take the old one away when nothing that it sealed waits any more.
 *
 * @throws {ConfigurationError} for a key that is too short, or two of one id.
 */
export function fixedSealKeys(keys: readonly [SealKey, ...SealKey[]]): SealKeys {
  const byId = new Map(keys.map(({ id, secret }) => [id, checkedKey(id, secret)]))
  const first = byId.get(keys[0]?.id ?? '')
  if (first === undefined) throw new ConfigurationError('There is no key to seal with.')
  if (byId.size < keys.length) throw new ConfigurationError('Two keys to seal with have the same id.')
  return { current: async () => first, find: async (id) => byId.get(id) }
}

/**
 * Keys in a secret store, under a prefix: `<prefix>/current` holds the id of the one that seals, `<prefix>/<id>` each key in base64. To change
 * one, store the new key, then its id as the current one; delete the old key when nothing that it sealed waits any more.
 */
export function storedSealKeys(
  secrets: SecretReader,
  { prefix, clock = systemClock }: { readonly prefix: string; readonly clock?: Clock | undefined },
): SealKeys {
  const kept = new Map<string, SealKey>()
  let current: { readonly key: SealKey; readonly until: number } | undefined
  const find = async (id: string): Promise<SealKey | undefined> => {
    if (!isSealKeyId(id) || id === 'current') return undefined
    const found = kept.get(id)
    if (found !== undefined) return found
    const text = await secrets.get(`${prefix}/${id}`)
    if (text === undefined) return undefined
    const key = checkedKey(id, Buffer.from(text, 'base64'))
    if (kept.size >= keysKeptMax) kept.clear()
    kept.set(id, key)
    return key
  }
  return {
    find,
    current: async () => {
      if (current !== undefined && clock.monotonic() < current.until) return current.key
      const id = (await secrets.get(`${prefix}/current`))?.trim() ?? ''
      const key = await find(id)
      if (key === undefined) throw new ConfigurationError(`The secret ${prefix}/current names no key that is kept under ${prefix}/.`)
      current = { key, until: clock.monotonic() + currentTtlMs }
      return key
    },
  }
}

function checkedKey(id: string, secret: Uint8Array): SealKey {
  if (!isSealKeyId(id)) throw new ConfigurationError('The id of a key has 1 to 48 of a-z, 0-9, "-" and "_".')
  if (!(secret instanceof Uint8Array) || secret.byteLength < secretBytesMin) {
    throw new ConfigurationError(`Key ${id} is shorter than ${secretBytesMin} bytes.`)
  }
  return Object.freeze({ id, secret: Uint8Array.from(secret) })
}
