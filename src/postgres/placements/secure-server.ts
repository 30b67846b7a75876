// What a whole server must deny, once, before it holds databases of tenants' own.

import type { ControlConnection } from '../control-pool.ts'

/**
 * Takes CONNECT and TEMPORARY on PostgreSQL's own databases from PUBLIC, so that the login of a tenant has no other database to go
 * to. Superusers and owners are not concerned. Databases that are not ours are left alone: `verify` names those that let it in.
 *
 * @param admin A superuser's connection, or one of the owner of these databases.
 */
export async function secureServer(admin: ControlConnection): Promise<void> {
  await admin.query(`
    revoke connect, temporary on database postgres from public;
    revoke connect, temporary on database template1 from public`)
}
