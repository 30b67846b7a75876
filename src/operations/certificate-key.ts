// The key that signs purge certificates: Ed25519, made once, kept in the secret store as a private JWK.

import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JSONWebKeySet, type JWK } from 'jose'
import { ConfigurationError } from '../errors.ts'
import type { OperationSecrets } from './tenant-life.ts'

/** Its name in the secret store. */
export const certificateSecretName = 'signing/certificates'

/** A private key and its public half, both with the same `kid`: the thumbprint of the key (RFC 7638). */
export interface CertificateKey {
  readonly kid: string
  readonly private: JWK
  readonly public: JWK
}

/**
 * The key, made when there is none yet.
 *
 * @throws {ConfigurationError} when what is kept under that name is not such a key: it is never replaced, since certificates that it
 * signed would verify no more.
 */
export async function certificateKey(secrets: OperationSecrets): Promise<CertificateKey> {
  const kept = await secrets.get(certificateSecretName)
  if (kept !== undefined) return await keyOf(kept)
  const { privateKey } = await generateKeyPair('Ed25519', { extractable: true })
  await secrets.put(certificateSecretName, JSON.stringify(await exportJWK(privateKey)))
  // Two may have made one at the same time: both go by the one that is there now.
  const winner = await secrets.get(certificateSecretName)
  if (winner === undefined) throw new ConfigurationError(`The secret store did not keep ${certificateSecretName}.`)
  return await keyOf(winner)
}

/** The public half, to be given to whoever verifies certificates. */
export async function certificateKeySet(secrets: OperationSecrets): Promise<JSONWebKeySet> {
  return { keys: [(await certificateKey(secrets)).public] }
}

async function keyOf(text: string): Promise<CertificateKey> {
  const { kty, crv, x, d } = readJwk(text)
  if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string' || typeof d !== 'string') {
    throw new ConfigurationError(`The secret ${certificateSecretName} is not a private Ed25519 key in the form of a JWK.`)
  }
  const bare: JWK = { kty, crv, x }
  const kid = await calculateJwkThumbprint(bare)
  const shown = { kid, alg: 'EdDSA', use: 'sig' }
  return { kid, private: { ...bare, ...shown, d }, public: { ...bare, ...shown } }
}

function readJwk(text: string): JWK {
  try {
    return (JSON.parse(text) ?? {}) as JWK
  } catch (cause) {
    throw new ConfigurationError(`The secret ${certificateSecretName} is not JSON.`, { cause })
  }
}
