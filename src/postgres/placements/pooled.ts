// `pooled`: shared tables. A tenant is a gate and its rows; nothing is made for it, and nothing but its rows is taken away.

import { type Placement, sharedSchema } from '../../core/placement.ts'
import type {
  EmptyOptions,
  GateState,
  PlacedTenant,
  PlacementAdapter,
  PlacementFacts,
  PlacementFinding,
  PlaceOptions,
  PurgeCount,
} from '../../core/placement-adapter.ts'
import { bootFindings } from '../boot-gate.ts'
import { roles } from '../roles.ts'
import { chooseSharedDatabase, type Newcomer } from './choosing.ts'
import { moveGate, readGate, removeGate } from './gate.ts'
import { commonFindings, describePlace, placeInCatalog } from './place-facts.ts'
import { inCatalog, type PlacementSite, told } from './placement-site.ts'
import { countRows, deleteRows } from './tenant-rows.ts'

type Identified = Newcomer & { readonly id: NonNullable<Newcomer['id']> }

export class PooledPlacement implements PlacementAdapter {
  readonly isolation = 'pooled'
  readonly #site: PlacementSite

  constructor(site: PlacementSite) {
    this.#site = site
  }

  async place(tenant: Identified, options: PlaceOptions = {}): Promise<Placement> {
    return await inCatalog(this.#site, async (catalog) => {
      const found = await placeInCatalog(catalog, tenant.id, 'pooled')
      if (found !== undefined) return found
      return { isolation: 'pooled', ...(await chooseSharedDatabase(catalog, 'pooled', tenant, options)), schema: sharedSchema }
    })
  }

  async provision(tenant: PlacedTenant): Promise<void> {
    const { id, keys, placement } = tenant
    await this.#site.onStep('gate')
    await told(() =>
      this.#site.connections.asMigrator(placement.database, (control) =>
        control.query('select partywall.prepare_gate($1, $2, $3)', [id, keys.bigint, keys.text]),
      ),
    )
  }

  async setGate(tenant: PlacedTenant, state: GateState): Promise<void> {
    await moveGate(this.#site, tenant, state)
  }

  /** All tenants share the login and the tables: nothing that PostgreSQL shows says whose a statement is. */
  async endStatements(): Promise<number> {
    return 0
  }

  async describe(tenant: PlacedTenant): Promise<PlacementFacts> {
    return await describePlace(this.#site, tenant, true)
  }

  async verify(tenant: PlacedTenant): Promise<readonly PlacementFinding[]> {
    const common = await commonFindings(this.#site, tenant)
    return await told(() =>
      this.#site.connections.asMigrator(tenant.placement.database, async (control) => [
        ...common,
        ...(await bootFindings(control, roles.app)),
      ]),
    )
  }

  async empty(tenant: PlacedTenant, options: EmptyOptions = {}): Promise<readonly PurgeCount[]> {
    return await told(() => this.#site.connections.asMigrator(tenant.placement.database, (control) => deleteRows(control, tenant, options)))
  }

  /** Empties first: a row whose tenant has no gate could not be found again. */
  async drop(tenant: PlacedTenant, options: EmptyOptions = {}): Promise<readonly PurgeCount[]> {
    const rows = await this.empty(tenant, options)
    await this.#site.onStep('gate removed')
    const hadGate = await told(() => this.#site.connections.asMigrator(tenant.placement.database, (control) => removeGate(control, tenant)))
    return [...rows, { kind: 'gate', where: tenant.placement.database, count: hadGate ? 1 : 0 }].filter(({ count }) => count > 0)
  }

  async remains(tenant: PlacedTenant): Promise<readonly PurgeCount[]> {
    const { database } = tenant.placement
    return await told(() =>
      this.#site.connections.asMigrator(database, async (control) => {
        const rows = await countRows(control, tenant, { isShared: true })
        const gate = (await readGate(control, tenant)) === undefined ? 0 : 1
        return [
          ...rows.map((table) => ({ kind: 'rows', where: `${database} ${table.name}`, count: table.rows })),
          { kind: 'gate', where: database, count: gate },
        ].filter(({ count }) => count > 0)
      }),
    )
  }
}
