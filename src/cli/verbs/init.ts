// partywall init: installs partywall in a database, once.

import { randomBytes } from 'node:crypto'
import { ConfigurationError } from '../../errors.ts'
import { databaseUrl } from '../../postgres/database.ts'
import { installPartywall } from '../../postgres/install.ts'
import { type Installation, inspectInstallation, logins } from '../../postgres/installation.ts'
import { verb } from '../verb.ts'

/** Which login each variable of the environment is for. */
const variables = { PARTYWALL_ADMIN_URL: 'migrator', PARTYWALL_CATALOG_URL: 'gatekeeper', PARTYWALL_DATABASE_URL: 'app' } as const

export const init = verb({
  summary: 'Install partywall in a database, and print the URLs of its logins once',
  details:
    'As a superuser: four roles, the schemas partywall and app, the control plane. Running it again brings an older installation up to date and changes nothing else. New logins get random passwords. They are printed once, as lines for the environment, and stored nowhere.',
  args: { url: { about: 'of the database, with a superuser in it (default: PARTYWALL_SUPERUSER_URL)', optional: true } },
  flags: {
    dryRun: { kind: 'switch', about: 'say what would be done, and do nothing' },
    rotatePasswords: { kind: 'switch', about: 'give logins that exist already new passwords too' },
  },
  examples: [
    'partywall init postgres://postgres:secret@db.example/app',
    'partywall init postgres://postgres:secret@db.example/app --dry-run',
  ],
  async run({ args, flags, output, terminal }) {
    const url = args.url ?? terminal.env['PARTYWALL_SUPERUSER_URL']
    if (!url || !URL.canParse(url)) {
      throw new ConfigurationError(
        'Give the URL of the database, with a superuser in it: partywall init postgres://postgres:…@host/database',
      )
    }
    const found = await inspectInstallation(url)
    const kept = flags.rotatePasswords ? [] : found.logins
    if (flags.dryRun) return output.lines(plan(found, kept), { ...found, kept })
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
  },
})

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
