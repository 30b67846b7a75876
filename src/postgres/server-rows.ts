// Rows of the fleet, as SQL has them: servers with what lives on them, and their replicas. One query, one function.

import type { Json } from '../core/tenant.ts'
import type { ControlConnection } from './control-pool.ts'

export type ServerState = 'provisioning' | 'active' | 'draining' | 'retired'

/** The address of a server that is being made. Names under .invalid lead nowhere (RFC 2606), so that nobody is sent astray. */
export const promisedHost = 'provisioning.invalid'

/** A server of the fleet. */
export interface Server {
  readonly name: string
  readonly region: string
  /** Null for `main`: its address is that of the application's settings. */
  readonly host: string | null
  readonly port: number | null
  readonly adminLogin: string | null
  readonly labels: Readonly<Record<string, Json>>
  /** How many tenants may have a database of their own on it; null for any number. */
  readonly tenantsMax: number | null
  readonly state: ServerState
  readonly provisioner: string
  /** Whose it is, and what its provisioner needs to destroy it. */
  readonly provisioned: Json
  /** Tenants who live there, however they live. */
  readonly tenants: number
  /** Databases there that hold tenants, or wait for one. */
  readonly databases: number
  /** Those of one tenant's own, taken or in stock: what `tenantsMax` counts. */
  readonly ownDatabases: number
}

/** A read replica of a server. */
export interface Replica {
  readonly server: string
  readonly name: string
  readonly region: string
  readonly host: string
  readonly port: number
  readonly state: 'active' | 'draining'
}

/** A tenant and where it is. */
export interface Resident {
  readonly tenantId: string
  readonly slug: string
  readonly database: string
}

export const serverColumns = `
  s.name, s.region, s.host, s.port, s.admin_login as "adminLogin", s.labels, s.tenants_max as "tenantsMax", s.state,
  s.provisioner, s.provisioned,
  (select count(*)::int from partywall.tenants as t join partywall.databases as d on d.name = t.database_name
    where d.server_name = s.name) as tenants,
  (select count(*)::int from partywall.databases as d where d.server_name = s.name) as databases,
  (select count(*)::int from partywall.databases as d where d.server_name = s.name and d.holds = 'tenant') as "ownDatabases"`

export async function findServer(control: ControlConnection, name: string): Promise<Server | undefined> {
  const [row] = await control.query<Server>(`select ${serverColumns} from partywall.servers as s where s.name = $1`, [name])
  return row
}

export async function listServers(control: ControlConnection): Promise<readonly Server[]> {
  return await control.query<Server>(`select ${serverColumns} from partywall.servers as s order by s.name = 'main' desc, s.name`)
}

/** Who lives on a server, at most `countMax` of them. */
export async function residentsOf(control: ControlConnection, name: string, countMax: number): Promise<readonly Resident[]> {
  return await control.query<Resident>(
    `select t.id as "tenantId", t.slug, t.database_name as database
       from partywall.tenants as t
       join partywall.databases as d on d.name = t.database_name
      where d.server_name = $1
      order by t.slug
      limit $2`,
    [name, countMax],
  )
}

/** Replicas of one server, or of all. */
export async function listReplicas(control: ControlConnection, server?: string): Promise<readonly Replica[]> {
  return await control.query<Replica>(
    `select r.server_name as server, r.name, r.region, r.host, r.port, r.state
       from partywall.replicas as r
      where $1::text is null or r.server_name = $1
      order by r.server_name, r.name`,
    [server ?? null],
  )
}

/** A tenant that lives outside its region. */
export interface ResidencyFinding {
  readonly tenantId: string
  readonly slug: string
  readonly tenantRegion: string
  readonly server: string
  readonly serverRegion: string
}

/**
 * Every tenant whose region is not that of the server that holds its rows. The catalog's triggers let none come to be: one that
 * is found was put there past them.
 */
export async function residencyFindings(control: ControlConnection): Promise<readonly ResidencyFinding[]> {
  return await control.query<ResidencyFinding>(
    `select t.id as "tenantId", t.slug, t.region as "tenantRegion", s.name as server, s.region as "serverRegion"
       from partywall.tenants as t
       join partywall.databases as d on d.name = t.database_name
       join partywall.servers as s on s.name = d.server_name
      where s.region <> t.region
      order by t.slug`,
  )
}
