// The soak: clients, a suspender, a time and a count at which both stop, and what they saw.

import { randomBytes } from 'node:crypto'
import { Agent } from 'node:http'
import { type ControlPlane, withControlPlane } from '../../src/cli/control-plane.ts'
import { systemClock } from '../../src/core/clock.ts'
import { issueApiKey } from '../../src/identity/api-key.ts'
import { runClient } from './client.ts'
import { SoakTenant } from './soak-tenant.ts'
import { runSuspender } from './suspender.ts'

/** A service, and the logins of its control plane. */
export interface SoakTarget {
  readonly url: string
  readonly catalog: string
  readonly admin: string
}

export interface SoakOptions {
  readonly seconds: number
  readonly clients: number
  readonly tenants: number
  /** Bound on all requests together. */
  readonly requestsMax: number
}

export interface SoakResult {
  readonly seconds: number
  /** Answers by `METHOD status`, e.g. `GET 200`; `aborted` for clients that hung up. */
  readonly answers: ReadonlyMap<string, number>
  readonly requests: number
  readonly suspensions: number
  /** Answers that had to be, and were, 403 because the tenant was suspended. */
  readonly refusedWhileSuspended: number
  /** What must never happen, at most {@link violationsMax} of them. */
  readonly violations: readonly string[]
}

/** After so many the soak stops: one is enough. */
export const violationsMax = 20

/** What all share. */
export interface SoakState {
  readonly url: URL
  readonly agent: Agent
  readonly tenants: readonly SoakTenant[]
  readonly answers: Map<string, number>
  readonly violations: string[]
  readonly isOver: () => boolean
  requests: number
  suspensions: number
  refusedWhileSuspended: number
}

/** Soaks the target, and takes away what it made. */
export async function soak(target: SoakTarget, options: SoakOptions): Promise<SoakResult> {
  return await withControlPlane({ catalog: target.catalog, admin: target.admin }, async (plane) => {
    const tenants: SoakTenant[] = []
    for (let number = 1; number <= options.tenants; number++) tenants.push(await openTenant(plane, `load-${number}`))
    const started = systemClock.monotonic()
    const endsAt = started + options.seconds * 1_000
    const state: SoakState = {
      url: new URL(target.url),
      agent: new Agent({ keepAlive: true, maxSockets: options.clients + 1 }),
      tenants,
      answers: new Map(),
      violations: [],
      requests: 0,
      suspensions: 0,
      refusedWhileSuspended: 0,
      isOver: () => systemClock.monotonic() >= endsAt || state.requests >= options.requestsMax || state.violations.length >= violationsMax,
    }
    try {
      const clients = Array.from({ length: options.clients }, (_, at) => runClient(state, tenants[at % tenants.length] as SoakTenant))
      await Promise.all([...clients, runSuspender(state, plane)])
      const { answers, requests, suspensions, refusedWhileSuspended, violations } = state
      return { seconds: (systemClock.monotonic() - started) / 1_000, answers, requests, suspensions, refusedWhileSuspended, violations }
    } finally {
      state.agent.destroy()
      for (const tenant of tenants) await closeTenant(plane, tenant)
    }
  })
}

/** Lines for people. */
export function summary(result: SoakResult): readonly string[] {
  const answers = [...result.answers]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([answer, count]) => `  ${String(count).padStart(8)}  ${answer}`)
  return [
    ...answers,
    `${result.requests} requests in ${result.seconds.toFixed(1)} s (${Math.round(result.requests / result.seconds)} a second)`,
    `${result.suspensions} suspensions; ${result.refusedWhileSuspended} answers had to be 403 meanwhile, and were`,
    result.violations.length === 0 ? 'No violation.' : `${result.violations.length} VIOLATIONS:`,
    ...result.violations.map((violation) => `  ${violation}`),
  ]
}

async function openTenant({ tenants, apiKeys, actor }: ControlPlane, slug: string): Promise<SoakTenant> {
  const found = await tenants.find({ kind: 'slug', slug } as Parameters<typeof tenants.find>[0])
  const tenant =
    found === undefined
      ? await tenants.create({ slug, name: `Load ${slug}` })
      : await tenants.resume(found.id, { reason: 'A soak begins.', actor })
  const { text, key } = await issueApiKey(apiKeys, { tenantId: tenant.id, name: 'soak', environment: 'load' })
  return new SoakTenant({ tenant, apiKey: text, apiKeyPrefix: key.prefix, mark: `mark-${randomBytes(6).toString('hex')}` })
}

async function closeTenant({ tenants, apiKeys, actor }: ControlPlane, { tenant, apiKeyPrefix }: SoakTenant): Promise<void> {
  await apiKeys.revoke(tenant.id, apiKeyPrefix)
  await tenants.suspend(tenant.id, { reason: 'A soak is over.', actor })
}
