// Which servers belong to one tenant alone, in the catalog: reserved, taken off the shelf, given back.

import { type ServerRequest, serverNameOf } from '../core/provisioner.ts'
import type { Json, TenantId } from '../core/tenant.ts'
import { ServerInUseError } from '../errors.ts'
import type { ControlPool } from './control-pool.ts'
import { chooseServer, lockChoice } from './server-choice.ts'
import { promisedHost } from './server-rows.ts'

/** A tenant's own server, as the catalog has it. */
export interface OwnedServer {
  readonly name: string
  readonly region: string
  readonly state: string
  readonly host: string
  readonly port: number
  readonly adminLogin: string | null
  readonly labels: Readonly<Record<string, Json>>
  readonly provisioner: string
  /** Nothing is known of it yet but its name. */
  readonly isPromised: boolean
  /** It was registered by hand, and is put back when the tenant goes. */
  readonly isShelved: boolean
  /** Who asked for it, whether its provisioner has been called, and what that said. */
  readonly provisioned: { readonly tenantId: string; readonly operationId: string; readonly isBegun?: boolean; readonly state?: Json }
}

export class OwnedServers {
  readonly #writer: ControlPool

  constructor(writer: ControlPool) {
    this.#writer = writer
  }

  async find(tenantId: TenantId): Promise<OwnedServer | undefined> {
    const [row] = await this.#writer.query<OwnedServer>(
      `select s.name, s.region, s.state, s.host, s.port, s.admin_login as "adminLogin", s.labels, s.provisioner, s.provisioned,
              s.host = $2 as "isPromised", s.provisioner = 'inventory' as "isShelved"
         from partywall.servers as s
        where s.provisioned ->> 'tenantId' = $1`,
      [tenantId, promisedHost],
    )
    return row
  }

  /** Notes a server that will be made. What it is called is known before it is there, and whoever is killed finds it noted. */
  async promise(request: ServerRequest, provisioner: string): Promise<OwnedServer> {
    await this.#writer.query(
      `insert into partywall.servers (name, region, host, port, labels, tenants_max, state, provisioner, provisioned)
       values ($1, $2, $3, 5432, '{"dedicated": true}', 1, 'provisioning', $4, $5)
           on conflict on constraint servers_pkey do nothing`,
      [serverNameOf(request.tenantId), request.region, promisedHost, provisioner, ownership(request)],
    )
    return (await this.find(request.tenantId))!
  }

  /** Takes a server off the shelf: registered, active, labelled `dedicated: true`, and nobody's. Two who ask get two. */
  async take(request: ServerRequest): Promise<OwnedServer> {
    await this.#writer.transaction(async (connection) => {
      const { tenantId, region, labels } = request
      await lockChoice(connection)
      const before = await connection.query(`select s.name from partywall.servers as s where s.provisioned ->> 'tenantId' = $1`, [tenantId])
      if (before.length > 0) return
      const found = await chooseServer(connection, { region, labels, for: 'server' }, { lock: true })
      await connection.query('update partywall.servers set provisioned = $2 where name = $1', [found.name, ownership(request)])
    })
    return (await this.find(request.tenantId))!
  }

  /** Keeps what the provisioner said, for the day of destruction. */
  async keepState(name: string, state: Json): Promise<void> {
    await this.#writer.query(
      `update partywall.servers set provisioned = provisioned || jsonb_build_object('state', $2::jsonb) where name = $1`,
      [name, JSON.stringify(state)],
    )
  }

  /** Before the provisioner is called: it may be killed from here on, and is then resumed. */
  async noteBegun(name: string): Promise<void> {
    await this.#writer.query(`update partywall.servers set provisioned = provisioned || '{"isBegun": true}' where name = $1`, [name])
  }

  /** Before it is destroyed: nobody is to be placed there. */
  async retire(name: string): Promise<void> {
    await this.#writer.query(`update partywall.servers set state = 'retired' where name = $1`, [name])
  }

  /** No longer the tenant's. A database that was dropped is in the catalog until the tenant is not. @throws {ServerInUseError} */
  async giveBack(name: string): Promise<void> {
    await this.assertEmpty(name)
    await this.#writer.query('update partywall.servers set provisioned = null where name = $1', [name])
  }

  /** @throws {ServerInUseError} */
  async assertEmpty(name: string): Promise<void> {
    const [row] = await this.#writer.query<{ databases: number }>(
      "select count(*)::int as databases from partywall.databases as d where d.server_name = $1 and d.state <> 'dropping'",
      [name],
    )
    if (row!.databases === 0) return
    throw new ServerInUseError(`${row!.databases} databases are on the server ${name}: drop them first.`, { details: { server: name } })
  }
}

function ownership({ tenantId, operationId }: ServerRequest): string {
  return JSON.stringify({ tenantId, operationId })
}
