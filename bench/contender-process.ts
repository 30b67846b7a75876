// A contender in a process of its own, so that its garbage and its event loop are its own. It runs windows when it is told to.

import type { Command, Reply } from './contender.ts'
import { openKyselyPartywall, openKyselyPg } from './contenders/kysely.ts'
import { openAudited, openPartywall, openStrictlyAudited } from './contenders/partywall.ts'
import { openPgNamed, openPgUnnamed } from './contenders/pg-raw.ts'
import { openRlsTransaction } from './contenders/rls-transaction.ts'
import { openTenantDrizzle } from './contenders/tenant-drizzle.ts'
import { quantile } from './quartiles.ts'
import type { Contender, OpenContender, Operation } from './workload.ts'

const contenders: Readonly<Record<string, OpenContender>> = {
  partywall: openPartywall,
  'partywall-audited': openAudited,
  'partywall-strict': openStrictlyAudited,
  'pg-named': openPgNamed,
  'pg-unnamed': openPgUnnamed,
  'rls-transaction': openRlsTransaction,
  '@usebetterdev/tenant-drizzle': openTenantDrizzle,
  'kysely-pg': openKyselyPg,
  'kysely-partywall': openKyselyPartywall,
}

let contender: Contender | undefined

process.on('message', (command: Command) => {
  answer(command).then(reply, (error: Error) => reply({ kind: 'failed', message: `${error.stack}` }))
})
process.on('disconnect', () => process.exit())

function reply(message: Reply): void {
  process.send!(message)
}

async function answer(command: Command): Promise<Reply> {
  switch (command.kind) {
    case 'open':
      contender = await contenders[command.name]!(command.site, command.applicationName)
      return { kind: 'done' }
    case 'window':
      return await window(contender!.operations[command.workload]!, command.clients, command.windowMs)
    case 'close':
      await contender?.close()
      return { kind: 'done' }
  }
}

/** `clients` loops until the time is up; the last answers are waited for and counted. */
async function window(operation: Operation, clients: number, windowMs: number): Promise<Reply> {
  const latencies: number[] = []
  const cpu = process.cpuUsage()
  const start = performance.now()
  const end = start + windowMs
  const loop = async (): Promise<void> => {
    for (let now = performance.now(); now < end; ) {
      await operation()
      const after = performance.now()
      latencies.push(after - now)
      now = after
    }
  }
  await Promise.all(Array.from({ length: clients }, loop))
  await contender?.settle?.()
  const elapsedMs = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  return { kind: 'window', operations: latencies.length, elapsedMs, p99Ms: quantile(latencies, 0.99), clientCpuUs: user + system }
}
