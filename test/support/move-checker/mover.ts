// A process that moves tenants: it takes up what others leave, and does what it is asked over its channel. It is killed at any moment.

import type { Isolation } from '../../../src/core/placement.ts'
import { openFleet } from '../../../src/fleet.ts'
import { fileSecrets } from '../../../src/secrets/file.ts'

export interface MoverTask {
  readonly urls: { readonly gatekeeper: string; readonly migrator: string }
  readonly secrets: string
}

export interface Ask {
  readonly verb: 'start' | 'verify' | 'switch' | 'reverse' | 'complete' | 'cancel'
  readonly tenant: string
  readonly to?: Isolation | undefined
  readonly fenceMs?: number | undefined
}

/** What a mover tells: its steps, so that it can be killed at each, and what became of what it was asked. */
export type Told =
  | { readonly kind: 'ready' }
  | { readonly kind: 'event'; readonly event: Readonly<Record<string, unknown>> }
  | { readonly kind: 'answer'; readonly ask: Ask; readonly error?: string | undefined }

const task = JSON.parse(process.argv[2]!) as MoverTask
const fleet = await openFleet({
  catalog: task.urls.gatekeeper,
  admin: task.urls.migrator,
  secrets: fileSecrets({ directory: task.secrets }),
  plans: { free: {} },
  migrations: new URL('./migrations/', import.meta.url),
})
const stop = new AbortController()
const tell = (told: Told): void => void process.send?.(told)
const onProgress = (event: object): void => tell({ kind: 'event', event: { ...event } })
process.on('disconnect', () => process.exit())
process.on('message', (ask: Ask | 'stop') => {
  if (ask === 'stop') return stop.abort()
  void answer(ask).then(
    () => tell({ kind: 'answer', ask }),
    (error: Error) => tell({ kind: 'answer', ask, error: error.message }),
  )
})
const keeping = fleet.moves.keep({ signal: stop.signal, onProgress })
tell({ kind: 'ready' })
await keeping
await fleet.close()
process.disconnect?.()

async function answer({ verb, tenant, to, fenceMs }: Ask): Promise<void> {
  const reason = 'The checker asked for it.'
  if (verb === 'start') await fleet.moves.start(tenant, { to: to!, fenceMs, throttleRatio: 0 }, { reason, onProgress })
  else await fleet.moves[verb](tenant, { reason, onProgress })
}
