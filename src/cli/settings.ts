// Where the control plane is: the environment says it, or else the `partywall dev` that runs beside.

import { ConfigurationError } from '../errors.ts'
import { type DevFile, findDevFile } from './dev-file.ts'
import type { Terminal } from './verb.ts'

/** URLs of the logins that a verb may use. */
export interface Settings {
  /** The gatekeeper's: it reads the catalog and issues capabilities. */
  readonly catalog: string
  /** The migrator's: it changes tenants and API keys. Undefined when nobody gave it. */
  readonly admin: string | undefined
  /** The app's: it runs statements behind the wall. Undefined when nobody gave it. */
  readonly app?: string | undefined
  /** Of the `partywall dev` that was found: where its secrets, its application's migrations and its configuration are. */
  readonly dev?: Partial<Pick<DevFile, 'secrets' | 'migrations' | 'config'>> | undefined
}

/** @throws {ConfigurationError} when nobody says where the catalog is. */
export async function readSettings(terminal: Terminal): Promise<Settings> {
  const { PARTYWALL_CATALOG_URL: catalog, PARTYWALL_ADMIN_URL: admin, PARTYWALL_DATABASE_URL: app } = terminal.env
  if (catalog) return { catalog, admin: admin || undefined, app: app || undefined }
  const found = await findDevFile(terminal.cwd)
  if (found !== undefined) {
    const { database, secrets, migrations, config } = found
    return { catalog: database.gatekeeper, admin: admin || database.admin, app: database.app, dev: { secrets, migrations, config } }
  }
  throw new ConfigurationError(
    'Which database? Set PARTYWALL_CATALOG_URL (and PARTYWALL_ADMIN_URL to change anything), as partywall init printed them; or run partywall dev in this directory.',
  )
}

/** @throws {ConfigurationError} when the migrator's URL is missing too. */
export async function readAdminSettings(terminal: Terminal): Promise<Settings & { readonly admin: string }> {
  const { admin, ...settings } = await readSettings(terminal)
  if (admin !== undefined) return { ...settings, admin }
  throw new ConfigurationError(
    "This changes the catalog and needs the migrator's login. Set PARTYWALL_ADMIN_URL, as partywall init printed it.",
  )
}
