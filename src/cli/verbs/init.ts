// partywall init: installs partywall in a database, once.

import { randomBytes } from 'node:crypto'
import { ConfigurationError } from '../../errors.ts'
import { databaseUrl } from '../../postgres/database.ts'
import { installPartywall } from '../../postgres/install.ts'
import { type Installation, inspectInstallation, logins } from '../../postgres/installation.ts'
import type { Verb } from '../verb.ts'

const usage = `partywall init [<url>] [--dry-run] [--rotate-passwords]

Installs partywall in the database of the URL (or PARTYWALL_SUPERUSER_URL), as a superuser: four roles, the schemas
partywall and app, the control plane. Running it again brings an older installation up to date and changes nothing else.
New logins get random passwords. They are printed once, as lines for the environment, and stored nowhere.

  --dry-run           say what would be done, and do nothing
  --rotate-passwords  give logins that exist already new passwords too`

/** Which login each variable of the environment is for. */
const variables = { PARTYWALL_ADMIN_URL: 'migrator', PARTYWALL_CATALOG_URL: 'gatekeeper', PARTYWALL_DATABASE_URL: 'app' } as const

export const init: Verb = {
  summary: 'Install partywall in a database, and print the URLs of its logins once',
  usage,
  options: { 'dry-run': { type: 'boolean' }, 'rotate-passwords': { type: 'boolean' } },
  async run({ args, flags, terminal }) {
    const url = args[0] ?? terminal.env['PARTYWALL_SUPERUSER_URL']
    if (!url || args.length > 1 || !URL.canParse(url)) {
      throw new ConfigurationError(
        'Give the URL of the database, with a superuser in it: partywall init postgres://postgres:…@host/database',
      )
    }
    const found = await inspectInstallation(url)
    const kept = flags['rotate-passwords'] === true ? [] : found.logins
    if (flags['dry-run'] === true) {
      for (const line of plan(found, kept)) terminal.print(line)
      return
    }
    const fresh = Object.fromEntries(
      Object.keys(logins)
        .filter((login) => !kept.includes(login as keyof typeof logins))
        .map((login) => [login, randomBytes(24).toString('base64url')]),
    )
    await installPartywall({ connectionString: url, passwords: fresh })
    terminal.note(`partywall is installed in ${found.database}. Keep these lines: the passwords are shown this once.`)
    for (const [name, login] of Object.entries(variables)) {
      const password = fresh[login]
      if (password === undefined) terminal.note(`# ${name} is as before: the login ${logins[login]} keeps its password`)
      else terminal.print(`${name}=${databaseUrl(url, { login: { name: logins[login], password } })}`)
    }
  },
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
