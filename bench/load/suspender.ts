// Suspends and resumes tenants at random while their clients work. It is another process's control plane in all but name:
// the service learns of a change from the database alone.

import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { ControlPlane } from '../../src/cli/control-plane.ts'
import { exchange } from './exchange.ts'
import type { SoakState } from './soak.ts'
import type { SoakTenant } from './soak-tenant.ts'

const pauseMsMax = 100
const suspendedMsMax = 300
/** A resumed tenant is served again within this time. */
const servedAgainMsMax = 5_000
const pollMs = 20

/** Runs until the soak is over; every tenant is active in the end. */
export async function runSuspender(state: SoakState, { tenants, actor }: ControlPlane): Promise<void> {
  while (!state.isOver()) {
    const tenant = state.tenants[randomInt(state.tenants.length)] as SoakTenant
    tenant.become('changing')
    await tenants.suspend(tenant.tenant.id, { reason: 'The soak suspends at random.', actor })
    tenant.become('suspended')
    state.suspensions += 1
    await delay(randomInt(1, suspendedMsMax))
    tenant.become('changing')
    await tenants.resume(tenant.tenant.id, { reason: 'The soak resumes what it suspended.', actor })
    await untilServed(state, tenant)
    tenant.become('active')
    await delay(randomInt(1, pauseMsMax))
  }
}

async function untilServed(state: SoakState, tenant: SoakTenant): Promise<void> {
  for (let waitedMs = 0; waitedMs < servedAgainMsMax; waitedMs += pollMs) {
    const answer = await exchange(state, { method: 'GET', path: '/api/documents/count', apiKey: tenant.apiKey })
    if (answer?.status === 200) return
    await delay(pollMs)
  }
  state.violations.push(`${tenant.tenant.slug}: still refused ${servedAgainMsMax} ms after resume() resolved`)
}
