// A process with one pool, quiet tenants in an open loop, and a tenant that attacks. Told what to do by noisy-neighbour.ts.

import type pg from 'pg'
import type { TenantContext } from '../src/core/tenant-context.ts'
import { contextsOf, openTenancy } from './contenders/partywall.ts'
import { rawPool } from './contenders/pg-raw.ts'
import { quantile } from './quartiles.ts'
import { documentId, explicit, implied, type Site } from './workload.ts'

export type Attack = 'flood' | 'sleep' | 'scan' | 'mix'

export type NoisyCommand =
  | { readonly kind: 'open'; readonly pool: 'partywall' | 'fifo'; readonly site: Site }
  | { readonly kind: 'phase'; readonly attack: Attack | undefined; readonly phaseMs: number }
  | { readonly kind: 'lone'; readonly tenants: number; readonly clients: number; readonly sleepS: number; readonly phaseMs: number }

export interface NoisyReply {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly operationsPerSecond: number
  readonly error?: string
}

/** Runs a statement for the tenant with this number; scans and sleeps have texts of their own. */
interface Doors {
  read(tenant: number, row: number): Promise<unknown>
  sleep(tenant: number, seconds: number): Promise<unknown>
  scan(): Promise<unknown>
}

const quietTenants = [11, 12, 13, 14]
const quietEveryMs = 40
const attacker = 1
const loops: Readonly<Record<Attack, number>> = { flood: 200, sleep: 200, scan: 20, mix: 60 }

let doors: Doors

process.on('message', (command: NoisyCommand) => {
  answer(command).then(
    (reply) => process.send!(reply),
    (error: Error) => process.send!({ p50Ms: 0, p99Ms: 0, operationsPerSecond: 0, error: `${error.stack}` } satisfies NoisyReply),
  )
})
process.on('disconnect', () => process.exit())

async function answer(command: NoisyCommand): Promise<NoisyReply> {
  switch (command.kind) {
    case 'open':
      doors = command.pool === 'partywall' ? await walled(command.site) : plain(command.site)
      for (let i = 0; i < 200; i++) await Promise.all(quietTenants.map((tenant) => doors.read(tenant, i % 50)))
      return { p50Ms: 0, p99Ms: 0, operationsPerSecond: 0 }
    case 'phase':
      return await phase(command.attack, command.phaseMs)
    case 'lone':
      return await lone(command)
  }
}

async function walled(site: Site): Promise<Doors> {
  const tenancy = await openTenancy(site, 'bench noisy partywall')
  const contexts = await contextsOf(tenancy, site.tenantIds.slice(0, 100))
  const scanned = (await contextsOf(tenancy, site.scannedTenantIds.slice(0, 1)))[0]!
  const query = (context: TenantContext, text: string, values: unknown[]): Promise<unknown> =>
    tenancy.scope.run(context, () => tenancy.query(text, values))
  return {
    read: (tenant, row) => query(contexts[tenant]!, implied.pointRead, [documentId(tenant, row)]),
    sleep: (tenant, seconds) => query(contexts[tenant]!, 'select pg_sleep($1)', [seconds]),
    scan: () => query(scanned, explicit.scan, [scanned.tenant.id]),
  }
}

function plain(site: Site): Doors {
  const pool: pg.Pool = rawPool(site, 'bench noisy fifo')
  return {
    read: (tenant, row) =>
      pool.query({ name: 'read', text: explicit.pointRead, values: [site.tenantIds[tenant], documentId(tenant, row)] }),
    sleep: (_tenant, seconds) => pool.query({ name: 'sleep', text: 'select pg_sleep($1)', values: [seconds] }),
    scan: () => pool.query({ name: 'scan', text: explicit.scan, values: [site.scannedTenantIds[0]] }),
  }
}

/** Quiet tenants send on time whether answers came or not; latency counts from when the request was due. */
async function phase(attack: Attack | undefined, phaseMs: number): Promise<NoisyReply> {
  const end = performance.now() + phaseMs
  const storm = attack === undefined ? [] : Array.from({ length: loops[attack] }, (_, i) => attackLoop(attack, i, end))
  const latencies: number[] = []
  const calls: Promise<void>[] = []
  await Promise.all(
    quietTenants.map(async (tenant, position) => {
      const start = performance.now() + (position * quietEveryMs) / quietTenants.length
      for (let due = start, i = 0; due < end; due += quietEveryMs, i++) {
        const wait = due - performance.now()
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
        const sent = performance.now()
        calls.push(doors.read(tenant, i % 50).then(() => void latencies.push(performance.now() - Math.min(sent, due + 1))))
      }
    }),
  )
  await Promise.all(calls)
  const done = await Promise.all(storm)
  return {
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    operationsPerSecond: (done.reduce((sum, count) => sum + count, 0) * 1_000) / phaseMs,
  }
}

async function attackLoop(attack: Attack, index: number, end: number): Promise<number> {
  const kinds: readonly Attack[] = ['flood', 'sleep', 'scan']
  const kind = attack === 'mix' ? kinds[index % 3]! : attack
  let count = 0
  while (performance.now() < end) {
    if (kind === 'flood') await doors.read(attacker, count % 50)
    else if (kind === 'sleep') await doors.sleep(attacker, 0.1)
    else await doors.scan()
    count += 1
  }
  return count
}

/** Short sleeps, so that connections and not processors are what is short; spread over so many tenants. */
async function lone(command: NoisyCommand & { readonly kind: 'lone' }): Promise<NoisyReply> {
  const end = performance.now() + command.phaseMs
  const start = performance.now()
  let count = 0
  await Promise.all(
    Array.from({ length: command.clients }, async (_, client) => {
      while (performance.now() < end) {
        const tenant = client % command.tenants
        if (command.sleepS > 0) await doors.sleep(tenant, command.sleepS)
        else await doors.read(tenant, count % 50)
        count += 1
      }
    }),
  )
  return { p50Ms: 0, p99Ms: 0, operationsPerSecond: (count * 1_000) / (performance.now() - start) }
}
