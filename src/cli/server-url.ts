// The URL of a server's administrator: it has a password, so it need not stand on the command line, where others can read it.

import { ConfigurationError } from '../errors.ts'
import type { Terminal } from './verb.ts'

/** The flag of the verbs that take one. */
export const urlFlag = {
  kind: 'text',
  about: 'of a login that may create roles and databases (default: PARTYWALL_SERVER_URL)',
} as const

/** @throws {ConfigurationError} when there is none. */
export function serverUrlGiven({ env }: Terminal, url: string | undefined): string {
  const given = url ?? env['PARTYWALL_SERVER_URL']
  if (given) return given
  throw new ConfigurationError('Which server? Set PARTYWALL_SERVER_URL to postgres://login:password@host:port/postgres, or give --url.')
}
