// The keys that sign heads of audit logs: in the secret store, and so not where the logs are. The public halves of old ones stay.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { SecretStore } from '../core/secret-store.ts'
import { ConfigurationError } from '../errors.ts'
import { type HeadKeys, keyId } from './signed-head.ts'

const signingName = 'audit/signing-key'
const publicPrefix = 'audit/key/'

/** A public key, as it is handed to whoever verifies without us. */
export interface PublicLogKey {
  readonly id: string
  /** SPKI, PEM. */
  readonly publicKey: string
  /** Does it sign now? */
  readonly isCurrent: boolean
}

export class LogKeys {
  readonly #secrets: SecretStore

  constructor(secrets: SecretStore) {
    this.#secrets = secrets
  }

  /** The key that signs; it is made when there is none. @throws {ConfigurationError} for a secret that is no such key. */
  async signing(): Promise<KeyObject> {
    const kept = await this.#secrets.get(signingName)
    return kept === undefined ? await this.rotate() : privateKey(kept)
  }

  /** Makes a key that signs from now on. What the ones before have signed is good as it was. */
  async rotate(): Promise<KeyObject> {
    const { privateKey: key, publicKey } = generateKeyPairSync('ed25519')
    // First what verifies: a head that nobody can verify must never be.
    await this.#secrets.put(publicName(keyId(publicKey)), pem(publicKey))
    await this.#secrets.put(signingName, key.export({ type: 'pkcs8', format: 'pem' }).toString())
    return key
  }

  async list(): Promise<readonly PublicLogKey[]> {
    const kept = await this.#secrets.get(signingName)
    const current = kept === undefined ? undefined : keyId(privateKey(kept))
    return [...(await this.verifying())].map(([id, key]) => ({ id, publicKey: pem(key), isCurrent: id === current }))
  }

  /** All that ever signed. @throws {ConfigurationError} for a secret that is no such key. */
  async verifying(): Promise<HeadKeys> {
    const keys = new Map<string, KeyObject>()
    for (const name of await this.#secrets.list(publicPrefix)) {
      const text = await this.#secrets.get(name)
      if (text === undefined) continue
      const key = publicKey(text, name)
      keys.set(keyId(key), key)
    }
    return keys
  }
}

/** Public keys from PEM texts, for whoever has them from somewhere else. @throws {ConfigurationError} */
export function headKeysOf(texts: readonly string[]): HeadKeys {
  return new Map(texts.map((text) => publicKey(text, 'that was given')).map((key) => [keyId(key), key]))
}

/** Names of secrets are lower case; an id is not. */
function publicName(id: string): string {
  return `${publicPrefix}${Buffer.from(id, 'base64url').toString('hex')}`
}

function pem(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString()
}

function privateKey(text: string): KeyObject {
  try {
    const key = createPrivateKey(text)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {}
  throw new ConfigurationError(`The secret ${signingName} is no private Ed25519 key (PKCS #8, PEM).`)
}

function publicKey(text: string, name: string): KeyObject {
  try {
    const key = createPublicKey(text)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {}
  throw new ConfigurationError(`The key ${name} is no public Ed25519 key (SPKI, PEM).`)
}
