// Questions to whoever sits at the terminal. Nobody is asked where nobody can answer: there an option must say it.

import { AbortedError, ConfigurationError } from '../errors.ts'
import type { Terminal } from './verb.ts'

interface Question {
  /** A question that yes answers. */
  readonly message: string
  /** What says yes without being asked: `--yes`. */
  readonly instead: string
}

/**
 * Asks for a yes.
 *
 * @throws {ConfigurationError} when nobody can be asked.
 * @throws {AbortedError} on Ctrl-C.
 */
export async function confirm(terminal: Terminal, { message, instead }: Question): Promise<boolean> {
  const { interactive } = terminal
  if (interactive === undefined) throw new ConfigurationError(`${message} There is nobody to ask here: say ${instead}.`)
  const clack = await import('@clack/prompts')
  const answer = await clack.confirm({ message, initialValue: false, ...interactive })
  if (clack.isCancel(answer)) throw new AbortedError('Cancelled.')
  return answer
}

/**
 * Asks for a name to be typed, before what cannot be undone.
 *
 * @throws {ConfigurationError} when nobody can be asked.
 * @throws {AbortedError} on Ctrl-C.
 */
export async function confirmByName(
  terminal: Terminal,
  { message, instead, name }: Question & { readonly name: string },
): Promise<boolean> {
  const { interactive } = terminal
  if (interactive === undefined) throw new ConfigurationError(`${message} There is nobody to ask here: say ${instead}.`)
  const clack = await import('@clack/prompts')
  const answer = await clack.text({ message: `${message} Type ${name} to go on.`, ...interactive })
  if (clack.isCancel(answer)) throw new AbortedError('Cancelled.')
  return answer === name
}
