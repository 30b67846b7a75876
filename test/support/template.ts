// The database that every test's database is a copy of: partywall is installed in it, once.

import { ControlPool } from '../../src/postgres/control-pool.ts'
import { installPartywall } from '../../src/postgres/install.ts'
import { secureServer } from '../../src/postgres/placements/secure-server.ts'

export const templateName = 'partywall_template'

/** The logins' passwords on test servers. */
export const passwords = { migrator: 'migrator-test', gatekeeper: 'gatekeeper-test', app: 'app-test' } as const

/** The same server, another database, perhaps another login. */
export function urlFor(superuserUrl: string, database: string, login?: { readonly name: string; readonly password: string }): string {
  const url = new URL(superuserUrl)
  url.pathname = `/${database}`
  if (login !== undefined) {
    url.username = login.name
    url.password = login.password
  }
  return url.href
}

export async function createTemplate(superuserUrl: string): Promise<void> {
  const server = new ControlPool({ connectionString: superuserUrl, applicationName: 'test-setup' })
  try {
    await server.query(`create database ${templateName}`)
    await secureServer(server)
    await installPartywall({ connectionString: urlFor(superuserUrl, templateName), passwords })
    // Nobody may connect any more: a copy needs a template without sessions.
    await server.query(`alter database ${templateName} with is_template true allow_connections false`)
  } finally {
    await server.close()
  }
}
