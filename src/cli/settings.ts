// Where the control plane is: the environment says it, or else the `partywall dev` that runs beside.

import { ConfigurationError } from '../errors.ts'
import { findDevFile } from './dev-file.ts'
import type { Terminal } from './verb.ts'

/** URLs of the logins that a verb may use. */
export interface Settings {
  /** The gatekeeper's: it reads the catalog and issues capabilities. */
  readonly catalog: string
  /** The migrator's: it changes tenants and API keys. Undefined when nobody gave it. */
  readonly admin: string | undefined
}

/** @throws {ConfigurationError} when nobody says where the catalog is. */
export async function readSettings(terminal: Terminal): Promise<Settings> {
  const { PARTYWALL_CATALOG_URL: catalog, PARTYWALL_ADMIN_URL: admin } = terminal.env
  if (catalog) return { catalog, admin: admin || undefined }
  const dev = await findDevFile(terminal.cwd)
  if (dev !== undefined) return { catalog: dev.database.gatekeeper, admin: admin || dev.database.admin }
  throw new ConfigurationError(
    'Which database? Set PARTYWALL_CATALOG_URL (and PARTYWALL_ADMIN_URL to change anything), as partywall init printed them; or run partywall dev in this directory.',
  )
}
