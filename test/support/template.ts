// The databases that every test's databases are copies of: partywall is installed in them, once. One has the catalog and the wall,
// the other the wall alone.

import { ControlPool } from '../../src/postgres/control-pool.ts'
import { installPartywall } from '../../src/postgres/install.ts'
import { secureServer } from '../../src/postgres/placements/secure-server.ts'

export const templateName = 'partywall_template'
export const wallTemplateName = 'partywall_wall_template'

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

export async function createTemplates(superuserUrl: string): Promise<void> {
  await create(superuserUrl, templateName, true)
  await create(superuserUrl, wallTemplateName, false)
}

export async function createWallTemplate(superuserUrl: string): Promise<void> {
  await create(superuserUrl, wallTemplateName, false)
}

async function create(superuserUrl: string, name: string, catalog: boolean): Promise<void> {
  const server = new ControlPool({ connectionString: superuserUrl, applicationName: 'test-setup' })
  try {
    await server.query(`create database ${name}`)
    await secureServer(server)
    await installPartywall({ connectionString: urlFor(superuserUrl, name), passwords, catalog })
    // Nobody may connect any more: a copy needs a template without sessions.
    await server.query(`alter database ${name} with is_template true allow_connections false`)
  } finally {
    await server.close()
  }
}
