// Who of the staff there is. Staff have no way to a tenant's data but a grant (core/break-glass.ts); what makes one of them known is a
// key pair, of which the private half never leaves the person.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { InvalidInputError } from '../errors.ts'

/** A person who may ask for a grant, or approve one. */
export interface StaffMember {
  readonly id: string
  readonly name: string
  /** Ed25519 (RFC 8032), base64url: 43 characters. */
  readonly publicKey: string
  /** Who said so. */
  readonly addedBy: string
  readonly addedAt: Date
  readonly removedAt: Date | undefined
}

const idPattern = /^[a-z0-9][a-z0-9_-]{0,62}$/
const publicKeyPattern = /^[A-Za-z0-9_-]{43}$/
const nameLengthMax = 200

/** @throws {InvalidInputError} when it is not 1 to 63 of a-z, 0-9, - and _, beginning with a letter or a digit. */
export function parseStaffId(text: string): string {
  if (typeof text === 'string' && idPattern.test(text)) return text
  throw new InvalidInputError('A staff id has 1 to 63 of a-z, 0-9, - and _, and begins with a letter or a digit: "ada".')
}

/** @throws {InvalidInputError} when it is empty or longer than 200 characters. */
export function parseStaffName(text: string): string {
  const name = typeof text === 'string' ? text.trim() : ''
  if (name !== '' && name.length <= nameLengthMax) return name
  throw new InvalidInputError(`The name of a person has 1 to ${nameLengthMax} characters.`)
}

/**
 * Where the secret store has the person's public key. It is no secret: it is there because whoever can write the catalog cannot
 * write there, so that a key which somebody put into the catalog alone opens nothing.
 */
export function staffPinName(id: string): string {
  return `staff/${parseStaffId(id)}`
}

/** @throws {InvalidInputError} when it is not the public half of an Ed25519 key, in base64url. */
export function parsePublicKey(text: string): string {
  if (typeof text === 'string' && publicKeyPattern.test(text)) {
    try {
      const key = publicKeyOf(text)
      if (textOf(key) === text) return text
    } catch {
      // Said below.
    }
  }
  throw new InvalidInputError('A public key of staff is an Ed25519 key: 43 characters of base64url, as partywall staff key prints it.')
}

/** The key behind its text. */
export function publicKeyOf(text: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: text }, format: 'jwk' })
}

/**
 * A private key from its PEM, as `partywall staff key` wrote it.
 *
 * @throws {InvalidInputError} when it is none, or of another kind. The text is not repeated.
 */
export function parsePrivateKey(pem: string): KeyObject {
  let key: KeyObject | undefined
  try {
    key = createPrivateKey(pem)
  } catch {
    // The cause would have parts of the text.
  }
  if (key?.asymmetricKeyType === 'ed25519') return key
  throw new InvalidInputError('That is no private Ed25519 key in PEM (PKCS #8), as partywall staff key makes it.')
}

/** The public half of a private key, as text. */
export function publicTextOf(privateKey: KeyObject): string {
  return textOf(createPublicKey(privateKey))
}

/** A new pair: the private half as PEM, for a file that only its owner can read; the public half as text. */
export function newStaffKey(): { readonly privateKey: string; readonly publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return { privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, publicKey: textOf(publicKey) }
}

function textOf(key: KeyObject): string {
  return key.export({ format: 'jwk' }).x ?? ''
}
