// How long a log of 1,000,000 entries takes to be verified, to be listed entry by entry, and to be signed when little is new. In rows of 10
// entries, as tenants who are asked now and then have them, and of 1,000, as busy ones.

import { chainHash, chainStart } from '../src/audit/chain.ts'
import { AuditBatch } from '../src/core/audit-batch.ts'
import type { Tenant } from '../src/core/tenant.ts'
import { type BenchFleet, openBenchFleet } from './bench-fleet.ts'
import type { BenchDatabase } from './database.ts'
import { quartiles } from './quartiles.ts'
import type { BenchmarkResult, RunOptions } from './rounds.ts'

const entryCount = 1_000_000

export async function auditVerify(_: BenchDatabase, options: RunOptions): Promise<BenchmarkResult> {
  await using bench = await openBenchFleet()
  const { audit, catalog } = bench.fleet
  const { tenants } = await catalog.list({ limit: 2 })
  const ratios: BenchmarkResult['ratios'] = {}
  const figures: Record<string, number> = {}
  const notes: string[] = []
  for (const [at, perRow] of [10, 1_000].entries()) {
    const tenant = tenants[at]!
    const bytes = await fill(bench, tenant, perRow)
    const seconds = async (fn: () => Promise<unknown>): Promise<number> => {
      const start = performance.now()
      await fn()
      return (performance.now() - start) / 1_000
    }
    const verified: number[] = []
    for (let round = 0; round < Math.min(options.rounds, 3); round++) {
      verified.push(
        await seconds(async () => {
          const verdict = await audit.verify(tenant)
          if (verdict?.isSound !== true) throw new RangeError(`The log is not sound: ${verdict?.findings[0]?.message}`)
        }),
      )
    }
    let listed = 0
    const count = (): void => {
      listed += 1
    }
    const listing = await seconds(async () => await audit.list(tenant, {}, count))
    if (listed !== entryCount) throw new RangeError(`${listed} entries were listed.`)
    Object.assign(ratios, { [`verify in rows of ${perRow}/20s`]: quartiles(verified.map((taken) => taken / 20)) })
    figures[`list in rows of ${perRow} (s)`] = listing
    notes.push(
      `${perRow} entries a row: ${(bytes / entryCount).toFixed(0)} bytes an entry, verified in ${Math.min(...verified).toFixed(2)} s`,
    )
  }
  return { benchmark: 'audit-verify', ratios, figures, notes }
}

/** As the recorder would have written it; without its round trips. @returns how long the payloads are. */
async function fill({ database: { superuser } }: BenchFleet, { id }: Tenant, perRow: number): Promise<number> {
  const of = Array.from({ length: 50 }, (_, i) => ({
    operation: 'select',
    tables: ['documents'],
    statement: i.toString(16).padStart(16, '0'),
  }))
  let previous = chainStart(id)
  let bytes = 0
  const rowsAtOnce = 1_000
  const rows = entryCount / perRow
  for (let start = 0; start < rows; start += rowsAtOnce) {
    const found = Array.from({ length: Math.min(rowsAtOnce, rows - start) }, (_, i) => {
      const position = BigInt(start + i + 1)
      const at = Date.UTC(2026, 0, 1) + Number(position) * 1_000
      const batch = new AuditBatch()
      for (let entry = 0; entry < perRow; entry++) {
        // Ten statements a request.
        const by = requestOf(Number(position), Math.floor(entry / 10))
        batch.add({ at: at + entry, by, of: of[entry % of.length]!, outcome: 'done', rows: 1, keys: '0123456789abcdef' })
      }
      const payload = batch.seal(crypto.randomUUID())
      bytes += payload.length
      previous = chainHash(previous, { position, payload })
      return [position, at, payload, previous] as const
    })
    await superuser.query(
      `insert into app.audit_log (tenant_id, position, at, payload, hash)
       select $1, r.position, to_timestamp(r.at / 1000.0), r.payload::json, r.hash
         from unnest($2::bigint[], $3::float8[], $4::text[], $5::bytea[]) as r (position, at, payload, hash)`,
      [id, found.map((row) => String(row[0])), found.map((row) => row[1]), found.map((row) => row[2]), found.map((row) => row[3])],
    )
  }
  return bytes
}

const requests = new Map<string, { readonly actor: { readonly kind: 'user'; readonly id: string }; readonly requestId: string }>()

/** One object for one request, as a context is. */
function requestOf(position: number, request: number): ReturnType<typeof requests.get> & object {
  if (request === 0) requests.clear()
  const name = `${position}-${request}`
  const known = requests.get(name) ?? {
    actor: { kind: 'user' as const, id: `01900000-0000-7000-8000-${String(position % 997).padStart(12, '0')}` },
    requestId: crypto.randomUUID(),
  }
  requests.set(name, known)
  return known
}
