// The stage on which the wall is tried: an attacker and a victim who are both real tenants, a mark that only the victim may
// see, and the two ways in, HTTP and SQL.

import { randomBytes } from 'node:crypto'
import type { Tenant } from '../core/tenant.ts'
import { InternalError } from '../errors.ts'
import { ControlPool } from '../postgres/control-pool.ts'
import type { Tenancy } from '../tenancy.ts'
import { ask, attackOn, type noCapability, type RequestOptions, type WallAnswer, type WallOutcome } from './wall-doors.ts'

/** Where an application can be tried. */
export interface WallProbe {
  /** A collection: POST makes an item and answers with its `id`; GET lists; GET, PATCH and DELETE take `/<id>`. */
  readonly collection: string
  /** An item that carries the mark. */
  sample(mark: string): Readonly<Record<string, unknown>>
  /** The table of the items, and the column where the mark comes to rest. */
  readonly table: string
  readonly column: string
}

/** One who takes part. */
export interface WallParty {
  readonly tenant: Tenant
  /** A bearer token. */
  readonly token: string
  readonly apiKey: string
}

export interface WallCheckOptions {
  /** With the migrator's login: a tenant is suspended on the way. */
  readonly tenancy: Tenancy
  /** How that is done. Default: `tenancy.tenants`, which can for tenants that live in the catalog's own database. */
  readonly suspension?: { suspend(tenant: Tenant): Promise<void>; resume(tenant: Tenant): Promise<void> } | undefined
  /** Where the application serves. */
  readonly url: string
  /** URL of the login that runs the attacker's statements, in the attacker's database: what injected SQL would run as. */
  readonly database: string
  /** URL of the gatekeeper's login in that database, or of another that may revoke: a capability is revoked on the way. */
  readonly catalog: string
  readonly probe: WallProbe
  /** Where the attacker tries to log in with what it has. Of these URLs only the host, the port and the database count. */
  readonly places: {
    /** Where the victim lives. */
    readonly victim: string
    /** Where the catalog is. */
    readonly catalog: string
    /** Databases that nobody who serves tenants has any business in. */
    readonly closed: readonly string[]
  }
  readonly attacker: WallParty
  readonly victim: WallParty
  /**
   * Resumed for a moment, and suspended in the end, unless it is suspended already, with a capability from before. Without it, what
   * the attacker can try against no victim in particular is left out.
   */
  readonly suspended?: (WallParty & { readonly capability?: string | undefined }) | undefined
}

export class WallStage {
  readonly options: WallCheckOptions
  /** Only the victim may see it. */
  readonly mark = `wall-${randomBytes(12).toString('hex')}`
  /** The attacker's own, so that it is seen to see something. */
  readonly ownMark = `own-${randomBytes(12).toString('hex')}`
  /** Connections as the app's login, without any of our lease. */
  readonly app: ControlPool
  readonly gatekeeper: ControlPool
  #itemId = ''
  #ownItemId = ''
  #capability = ''
  #expiring = ''
  #suspendedCapability = ''

  private constructor(options: WallCheckOptions) {
    this.options = options
    this.app = new ControlPool({ connectionString: options.database, applicationName: 'partywall self-check', connectionsMax: 2 })
    this.gatekeeper = new ControlPool({ connectionString: options.catalog, applicationName: 'partywall self-check', connectionsMax: 1 })
  }

  /** The victim's item. */
  get itemId(): string {
    return this.#itemId
  }

  /** Whoever is suspended. Attempts that ask for it are left out where there is nobody. */
  get suspended(): WallParty {
    const { suspended } = this.options
    if (suspended === undefined) throw new InternalError('Nobody is suspended on this stage.')
    return suspended
  }

  /** The attacker's item. */
  get ownItemId(): string {
    return this.#ownItemId
  }

  /** One that expires within about a second. */
  get expiringCapability(): string {
    return this.#expiring
  }

  /** Issued while the tenant was active; it is suspended now. */
  get suspendedCapability(): string {
    return this.#suspendedCapability
  }

  /** Sets the stage. Whoever does must strike it. */
  static async set(options: WallCheckOptions): Promise<WallStage> {
    const stage = new WallStage(options)
    try {
      const { tenancy, attacker, victim, suspended } = options
      stage.#expiring = await stage.issue(attacker, 1_000)
      stage.#capability = await stage.issue(attacker, 300_000)
      if (suspended?.capability !== undefined) stage.#suspendedCapability = suspended.capability
      else if (suspended !== undefined) {
        const { suspend, resume } = options.suspension ?? suspensionBy(tenancy)
        await resume(suspended.tenant)
        stage.#suspendedCapability = await stage.issue(suspended, 300_000)
        await suspend(suspended.tenant)
      }
      stage.#itemId = await stage.#create(victim, stage.mark)
      stage.#ownItemId = await stage.#create(attacker, stage.ownMark)
      return stage
    } catch (error) {
      await stage.strike()
      throw error
    }
  }

  /** Removes the items and closes the connections. */
  async strike(): Promise<void> {
    const { attacker, victim } = this.options
    if (this.#itemId) await this.request(victim, this.itemPath(this.#itemId), { method: 'DELETE' }).catch(() => undefined)
    if (this.#ownItemId) await this.request(attacker, this.itemPath(this.#ownItemId), { method: 'DELETE' }).catch(() => undefined)
    await this.app.close()
    await this.gatekeeper.close()
  }

  itemPath(id: string): string {
    return `${this.options.probe.collection}/${id}`
  }

  async issue(party: WallParty, ttlMs: number): Promise<string> {
    return (await this.options.tenancy.issueCapability(party.tenant.id, { ttlMs, reason: 'partywall self-check' })).handle
  }

  /** A request as a party, by its token; or as whoever the headers say. */
  async request(party: WallParty | undefined, path: string, options: RequestOptions = {}): Promise<WallAnswer> {
    return await ask(new URL(path, this.options.url), party?.token, options)
  }

  /** Runs SQL as the app's login, with the attacker's capability bound as an application would have it, and rolls back. */
  async attack(
    text: string | readonly string[],
    values: readonly unknown[] = [],
    capability: string | typeof noCapability = this.#capability,
  ): Promise<WallOutcome> {
    const { schema } = this.options.attacker.tenant.placement
    return await attackOn(this.app, { texts: typeof text === 'string' ? [text] : text, values, schema, capability })
  }

  /** The same in another database, with the login that the attacker has in its own. */
  async attackAt(place: string, text: string, capability: string | typeof noCapability): Promise<WallOutcome> {
    const url = new URL(place)
    const { username, password } = new URL(this.options.database)
    Object.assign(url, { username, password })
    const elsewhere = new ControlPool({ connectionString: url.href, applicationName: 'partywall self-check', connectionsMax: 1 })
    try {
      return await attackOn(elsewhere, { texts: [text], schema: this.options.victim.tenant.placement.schema, capability })
    } finally {
      await elsewhere.close()
    }
  }

  async #create(party: WallParty, mark: string): Promise<string> {
    const { collection, sample } = this.options.probe
    const answer = await this.request(party, collection, { method: 'POST', body: sample(mark) })
    const id = answer.status === 201 ? (JSON.parse(answer.text) as { readonly id?: unknown }).id : undefined
    if (typeof id !== 'string')
      throw new InternalError(`The self-check could not make an item: POST ${collection} answered ${answer.status} ${answer.text}`)
    return id
  }
}

function suspensionBy({ tenants }: Tenancy): NonNullable<WallCheckOptions['suspension']> {
  return {
    resume: async ({ id }) => void (await tenants.resume(id, { reason: 'The self-check needs a capability from before a suspension.' })),
    suspend: async ({ id }) => void (await tenants.suspend(id, { reason: 'The self-check needs a suspended tenant.' })),
  }
}
