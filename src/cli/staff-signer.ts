// Who of the staff sits at the terminal: named by a flag, shown by the private key in a file of theirs.

import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { ConfigurationError } from '../errors.ts'
import type { StaffSigner } from '../operations/break-glass.ts'
import type { Terminal } from './verb.ts'

/** The flag that names the file of the key. */
export const keyFlag = { kind: 'text', value: 'file', about: 'your private key (default: PARTYWALL_STAFF_KEY)' } as const
/** The flag that says who one is. */
export const asFlag = { kind: 'text', value: 'id', about: 'who you are, as partywall staff list has it', required: true } as const

/** @throws {ConfigurationError} when there is no such file, or others can read it. */
export async function staffKey({ env, cwd }: Terminal, key: string | undefined): Promise<string> {
  const named = key ?? env['PARTYWALL_STAFF_KEY']
  if (!named) throw new ConfigurationError('Whose key? Name the file of your private key: --key <file>, or PARTYWALL_STAFF_KEY.')
  const file = resolve(cwd, named)
  try {
    const { mode } = await stat(file)
    if ((mode & 0o077) !== 0)
      throw new ConfigurationError(`Others can read ${file}: chmod 600 it. A key that others may have read is to be replaced.`)
    return await readFile(file, 'utf8')
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause
    throw new ConfigurationError(`The private key cannot be read: ${(cause as Error).message}`, { cause })
  }
}

export async function staffSigner(
  terminal: Terminal,
  flags: { readonly as: string; readonly key: string | undefined },
): Promise<StaffSigner> {
  return { staff: flags.as, key: await staffKey(terminal, flags.key) }
}
