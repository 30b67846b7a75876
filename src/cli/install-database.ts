// Installs partywall in a database, and says the URLs of its logins once.

import { randomBytes } from 'node:crypto'
import { databaseUrl } from '../postgres/database.ts'
import { installPartywall } from '../postgres/install.ts'
import { type Installation, inspectInstallation, logins } from '../postgres/installation.ts'
import type { Invocation } from './verb.ts'

/** Which login each variable of the environment is for. */
const variables = { PARTYWALL_ADMIN_URL: 'migrator', PARTYWALL_CATALOG_URL: 'gatekeeper', PARTYWALL_DATABASE_URL: 'app' } as const

interface InstallationRequest extends Pick<Invocation, 'output' | 'terminal'> {
  /** With a superuser in it. */
  readonly url: string
  readonly isDryRun: boolean
  /** Give logins that exist new passwords too. */
  readonly rotatePasswords: boolean
}

/** What can be known beforehand is said under a dry run; passwords are printed and stored nowhere. */
export async function installInDatabase({ url, isDryRun, rotatePasswords, output, terminal }: InstallationRequest): Promise<void> {
  const found = await inspectInstallation(url)
  const kept = rotatePasswords ? [] : found.logins
  if (isDryRun) return output.lines(plan(found, kept), { ...found, kept })
  const fresh = Object.fromEntries(
    Object.keys(logins)
      .filter((login) => !kept.includes(login as keyof typeof logins))
      .map((login) => [login, randomBytes(24).toString('base64url')]),
  )
  await installPartywall({ connectionString: url, passwords: fresh })
  terminal.note(`partywall is installed in ${found.database}. Keep these lines: the passwords are shown this once.`)
  const urls: Record<string, string> = {}
  for (const [name, login] of Object.entries(variables)) {
    const password = fresh[login]
    if (password === undefined) terminal.note(`# ${name} is as before: the login ${logins[login]} keeps its password`)
    else urls[name] = databaseUrl(url, { login: { name: logins[login], password } })
  }
  output.lines(
    Object.entries(urls).map(([name, value]) => `${name}=${value}`),
    urls,
  )
}

function plan(found: Installation, kept: Installation['logins']): readonly string[] {
  const loginLines = (Object.keys(logins) as (keyof typeof logins)[]).map((login) => {
    if (!found.logins.includes(login)) return `create the login ${logins[login]}`
    return kept.includes(login) ? `keep the login ${logins[login]} and its password` : `give the login ${logins[login]} a new password`
  })
  return [
    `database ${found.database}, PostgreSQL ${found.serverVersion}`,
    ...loginLines,
    'take from PUBLIC what lets one tenant reach another: CONNECT, TEMP, session locks, large objects, query_to_xml',
    ...(found.pendingFiles.length === 0 ? ['no SQL file to run'] : found.pendingFiles.map((file) => `run ${file}`)),
  ]
}
