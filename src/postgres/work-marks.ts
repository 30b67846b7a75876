// Marks of work in the catalog, written over the gatekeeper's login. Calls that come at once share one statement.

import type { TenantId } from '../core/tenant.ts'
import { runOutside } from '../core/tenant-context.ts'
import type { TakenMark, TakeOptions, WorkMarks } from '../core/work-marks.ts'
import type { ControlConnection } from './control-pool.ts'

interface ToMark {
  readonly tenantId: TenantId
  readonly dueInMs: number
}

interface ToSettle {
  readonly mark: TakenMark
  readonly dueInMs: number | undefined
}

/** Of one statement: rows are short, and locks are held no longer than for so many. */
const batchMax = 500

/** @see WorkMarks */
export class PostgresWorkMarks implements WorkMarks {
  readonly #control: ControlConnection
  readonly #marking = new Map<string, Batches<ToMark>>()
  readonly #settling = new Map<string, Batches<ToSettle>>()

  /** @param control the gatekeeper's. */
  constructor(control: ControlConnection) {
    this.#control = control
  }

  async mark(kind: string, tenantId: TenantId, dueInMs = 0): Promise<void> {
    const write = async (marks: readonly ToMark[]): Promise<void> => {
      const ids = marks.map((mark) => mark.tenantId)
      const dues = marks.map((mark) => Math.max(0, Math.round(mark.dueInMs)))
      await this.#control.query('select partywall.mark_work($1, $2::uuid[], $3::bigint[])', [kind, ids, dues])
    }
    await batchesOf(this.#marking, kind, write).add({ tenantId, dueInMs })
  }

  async take(kind: string, { tenantsMax, holdMs, exceptFor }: TakeOptions): Promise<readonly TakenMark[]> {
    const rows = await this.#control.query<{ readonly tenant_id: TenantId; readonly hold: string }>(
      'select w.tenant_id, w.hold from partywall.take_work($1, $2, $3, $4::uuid[]) as w',
      [kind, tenantsMax, Math.round(holdMs), exceptFor],
    )
    return rows.map(({ tenant_id, hold }) => ({ tenantId: tenant_id, hold }))
  }

  async settle(kind: string, mark: TakenMark, dueInMs: number | undefined): Promise<void> {
    const write = async (settled: readonly ToSettle[]): Promise<void> => {
      await this.#control.query('select partywall.settle_work($1, $2::uuid[], $3::uuid[], $4::bigint[])', [
        kind,
        settled.map((each) => each.mark.tenantId),
        settled.map((each) => each.mark.hold),
        settled.map((each) => (each.dueInMs === undefined ? null : Math.max(0, Math.round(each.dueInMs)))),
      ])
    }
    await batchesOf(this.#settling, kind, write).add({ mark, dueInMs })
  }

  async sweep(kind: string, everyMs: number): Promise<boolean> {
    const [row] = await this.#control.query<{ readonly swept: boolean }>('select partywall.sweep_work($1, $2) as swept', [kind, everyMs])
    return row?.swept === true
  }
}

function batchesOf<Item>(all: Map<string, Batches<Item>>, kind: string, write: (items: readonly Item[]) => Promise<void>): Batches<Item> {
  const found = all.get(kind)
  if (found !== undefined) return found
  const made = new Batches(write)
  all.set(kind, made)
  return made
}

/** One statement at a time; what comes meanwhile goes together with the next. Each caller waits for its own. */
class Batches<Item> {
  readonly #write: (items: readonly Item[]) => Promise<void>
  #waiting: { readonly item: Item; readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = []
  #isWriting = false

  constructor(write: (items: readonly Item[]) => Promise<void>) {
    this.#write = write
  }

  add(item: Item): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ item, resolve, reject })
    // What many share runs in nobody's context.
    if (!this.#isWriting) void runOutside(() => this.#drain())
    return promise
  }

  async #drain(): Promise<void> {
    this.#isWriting = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, batchMax)
      try {
        await this.#write(batch.map(({ item }) => item))
        for (const { resolve } of batch) resolve()
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#isWriting = false
  }
}
