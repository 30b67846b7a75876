// What every contender does: the same statements on rows drawn the same way. Whoever has no policies writes the WHERE by hand.

import { seeded } from './quartiles.ts'

/** Where the rows are, for a process that measures. */
export interface Site {
  readonly urls: { readonly app: string; readonly gatekeeper: string; readonly raw: string; readonly rls: string }
  readonly tenantIds: readonly string[]
  readonly rowsPerTenant: number
  readonly scannedTenantIds: readonly string[]
  readonly connectionsMax: number
  readonly superuserUrl: string
  /** Of each tenant, where they have tables of their own. */
  readonly schemas?: readonly string[] | undefined
  readonly secrets?: Readonly<Record<string, string>> | undefined
}

/** One operation of the workload, ended; it throws when the answer is not the expected one. */
export type Operation = () => Promise<void>

/** A contender, open. It has the operations that it takes part in. */
export interface Contender {
  readonly operations: Readonly<Partial<Record<WorkloadName, Operation>>>
  /** What a window has put off: done before it ends, so that it is not left to somebody else's. */
  settle?(): Promise<void>
  close(): Promise<void>
}

export type WorkloadName = 'point-read' | 'insert' | 'list' | 'transaction' | 'full-scan'

export type OpenContender = (site: Site, name: string) => Promise<Contender>

/** One row to work on. */
export interface Draw {
  readonly tenant: number
  readonly tenantId: string
  readonly id: string
}

export const listLength = 50

/** Statements with a tenant predicate; `$1` is the tenant. */
export const explicit = {
  pointRead: 'select id, title, body from documents where tenant_id = $1 and id = $2',
  insert: 'insert into documents (tenant_id, id, title, body) values ($1, $2, $3, $4)',
  list: `select id, title, created_at from documents where tenant_id = $1 order by created_at desc limit ${listLength}`,
  update: 'update documents set body = $3 where tenant_id = $1 and id = $2',
  scan: `select count(*) as total from readings where tenant_id = $1 and note like '%7%'`,
} as const

/** The same where policies know the tenant. */
export const implied = {
  pointRead: 'select id, title, body from documents where id = $1',
  list: `select id, title, created_at from documents order by created_at desc limit ${listLength}`,
  update: 'update documents set body = $2 where id = $1',
} as const

/** Rows have numbers; their ids are these. */
export function documentId(tenant: number, row: number): string {
  return `00000000-0000-7000-8${tenant.toString(16).padStart(3, '0')}-${row.toString(16).padStart(12, '0')}`
}

export class Draws {
  readonly #random: () => number
  readonly #site: Site
  readonly #prefix: string
  #inserted = 0

  constructor(site: Site, seed: number) {
    this.#site = site
    this.#random = seeded(seed)
    this.#prefix = seed.toString(16).padStart(8, '0').slice(-8)
  }

  next(): Draw {
    const tenant = Math.floor(this.#random() * this.#site.tenantIds.length)
    const row = Math.floor(this.#random() * this.#site.rowsPerTenant)
    return { tenant, tenantId: this.#site.tenantIds[tenant]!, id: documentId(tenant, row) }
  }

  /** A row that is not there yet. */
  fresh(): Draw {
    const { tenant, tenantId } = this.next()
    const count = (this.#inserted++).toString(16).padStart(12, '0')
    return { tenant, tenantId, id: `${this.#prefix}-0000-7000-9000-${count}` }
  }

  scanned(): string {
    return this.#site.scannedTenantIds[Math.floor(this.#random() * this.#site.scannedTenantIds.length)]!
  }
}

/** A wrong answer must not be a fast one. */
export function expectRows(found: number, wanted: number): void {
  if (found !== wanted) throw new RangeError(`${wanted} rows were expected, ${found} came.`)
}
