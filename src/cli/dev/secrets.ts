// What `partywall dev` keeps between its runs, so that tokens and keys stay good: .partywall/secrets.json, for its owner alone.

import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigurationError } from '../../errors.ts'
import { writePrivately } from '../private-file.ts'

export interface Secrets {
  readonly passwords: { readonly migrator: string; readonly gatekeeper: string; readonly app: string }
  /** Signs tokens: 32 bytes in base64url. */
  readonly tokenKey: string
  /** Texts of the demo tenants' API keys, by slug. */
  readonly apiKeys: Readonly<Record<string, string>>
}

const fileName = 'secrets.json'

/** Those of the last run, or new ones. */
export async function openSecrets(directory: string): Promise<Secrets> {
  const file = join(directory, fileName)
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new ConfigurationError(`${file} cannot be read: ${error.message}`, { cause: error })
  })
  if (text !== undefined) return parse(file, text)
  const random = () => randomBytes(32).toString('base64url')
  const fresh = { passwords: { migrator: random(), gatekeeper: random(), app: random() }, tokenKey: random(), apiKeys: {} }
  await mkdir(directory, { recursive: true })
  await keepSecrets(directory, fresh)
  return fresh
}

export async function keepSecrets(directory: string, secrets: Secrets): Promise<void> {
  await writePrivately(join(directory, fileName), `${JSON.stringify(secrets, null, 2)}\n`)
}

function parse(file: string, text: string): Secrets {
  try {
    const { passwords, tokenKey, apiKeys } = JSON.parse(text) as Secrets
    if (passwords?.migrator && passwords.gatekeeper && passwords.app && tokenKey && apiKeys) return { passwords, tokenKey, apiKeys }
  } catch {
    // A file that somebody cut short: the error below says so.
  }
  throw new ConfigurationError(`${file} is damaged. Delete it: new passwords and keys are made, and old tokens are good no more.`)
}
