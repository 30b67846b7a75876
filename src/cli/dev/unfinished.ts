// What a run that was killed left half-made: operations on tenants go on where they were.

import { setTimeout as delay } from 'node:timers/promises'
import type { TenantId } from '../../core/tenant.ts'
import type { Fleet } from '../../fleet.ts'

/** So long an operation stays that of a process which was killed. */
export const leaseMs = 2_000

const pollMs = 50
/** Others (a command that ran beside) have longer leases. */
const pollsMax = 800

/** Goes on with all of them. One that a killed process still holds is waited for, for the time of its lease. */
export async function finishOperations({ tenants }: Fleet, report: (line: string) => void): Promise<void> {
  for (let polls = 0; polls < pollsMax; polls++) {
    for (const { kind, tenantId, error } of await tenants.resumeAll()) {
      report(`Went on with ${kind} of ${tenantId}${error === undefined ? '' : `: ${error.message}`}`)
    }
    const running = await tenants.list({ state: 'running' })
    if (running.length === 0) return
    if (polls === 0) report(`Waiting for what the last run was doing when it was killed: ${running.map(({ kind }) => kind).join(', ')}`)
    await delay(pollMs)
  }
}

/** Tries once more what failed to make a tenant. */
export async function retryOnboarding({ tenants }: Fleet, tenantId: TenantId): Promise<void> {
  const [failed] = await tenants.list({ tenantId, kind: 'onboard', state: 'failed', limit: 1 })
  if (failed !== undefined) await tenants.retry(failed.id)
}
