// A login for one load of rows, for the time of a callback.

import type { PlacedTenant } from '../../core/placement-adapter.ts'
import { dropTransferLogin, ensureTransferLogin, type TransferAccess } from '../transfer-login.ts'

/**
 * Makes the transfer login in the tenant's place, runs `fn` with the URL by which it reaches the tenant's database, and drops the login
 * again, also when `fn` fails. A process that is killed meanwhile leaves the login; the next with the same id takes it over and drops it.
 *
 * @param id A uuid: of the operation that transfers.
 * @throws {DatabaseUnavailableError} {@link ConfigurationError} when the server cannot be reached as its administrator.
 *
 * @example
 * ```ts
 * await asTransfer(fleet, { id: operation.id, tenant }, (url) => loadTenant({ url, tenant, tables }))
 * ```
 */
export async function asTransfer<T>(
  access: TransferAccess,
  { id, tenant }: { readonly id: string; readonly tenant: PlacedTenant },
  fn: (url: string) => Promise<T>,
): Promise<T> {
  const { server, database } = tenant.placement
  // The catalog's name of a database is not always PostgreSQL's.
  const [here] = await access.connections.asMigrator(database, (control) =>
    control.query<{ name: string }>('select current_database()::text as name'),
  )
  const name = here!.name
  const sites = [{ server, databases: [name] }]
  try {
    const login = await ensureTransferLogin(access, { id, tenant }, sites)
    return await fn(await login.url(server, name))
  } finally {
    await dropTransferLogin(access, id, sites)
  }
}
