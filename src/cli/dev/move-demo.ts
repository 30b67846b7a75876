// A demo tenant is moved away and home again while somebody writes to it, for people to watch. The writer is a client like any other: it
// knows the service's address and the tenant's key, and is told nothing of the move.

import { setTimeout as wait } from 'node:timers/promises'
import type { Actor } from '../../core/actor.ts'
import { systemClock } from '../../core/clock.ts'
import { isOver, type Move } from '../../core/move.ts'
import type { Isolation, Placement } from '../../core/placement.ts'
import type { Tenant } from '../../core/tenant.ts'
import type { Fleet } from '../../fleet.ts'
import type { MoveEvent } from '../../operations/moves/move-event.ts'
import type { DevFile } from '../dev-file.ts'
import { pauseText, placeText } from '../move-words.ts'
import type { Application } from './application.ts'

export interface MoveDemoOptions {
  /** With a provisioner that makes servers beside those of the `partywall dev`. */
  readonly fleet: Pick<Fleet, 'moves' | 'catalog'>
  readonly dev: Pick<DevFile, 'url' | 'tenants'>
  readonly probe: Application['probe']
  readonly tenant: Tenant
  readonly to: Isolation
  readonly actor: Actor
  /** Between two writes, and how long the tenant stays at each place, in milliseconds. */
  readonly everyMs: number
  readonly stayMs: number
  /** Ends the waits. The tenant is brought home all the same. */
  readonly signal: AbortSignal
  readonly say: (line: string) => void
}

export interface MoveDemoResult {
  readonly written: number
  /** Answered with something else than was asked for. */
  readonly refused: number
  /** Of what was acknowledged, so much could be read again at the end. */
  readonly found: number
  readonly slowestMs: number
  readonly pausesMs: readonly number[]
}

/** By which a move of a demonstration that was killed is known. */
export const demoReason = 'partywall move demo'

/** @throws {MoveFailedError} and others, when a move could not go on; the writer ends then, too. */
export async function demonstrateMove(options: MoveDemoOptions): Promise<MoveDemoResult> {
  const { tenant, to, stayMs, signal, say } = options
  const home = tenant.placement
  const writer = new DemoWriter(options)
  const writing = writer.run()
  const stay = async (): Promise<void> => await wait(stayMs, undefined, { signal }).catch(() => {})
  const away = { to }
  const back = { to: home.isolation, ...(home.isolation === 'pooled' && { database: home.database }) }
  const pausesMs: number[] = []
  try {
    await stay()
    pausesMs.push(...(await carried(options, away, stay)))
    await stay()
    say(`${tenant.slug} goes home.`)
    pausesMs.push(...(await carried(options, back, stay)))
    await stay()
  } finally {
    writer.stop()
    await writing
  }
  return { ...(await writer.result()), pausesMs }
}

/** Copied, compared, switched, and what was left behind removed. @returns the pauses of its writes. */
async function carried(
  { fleet: { moves }, tenant: { id, slug }, actor, say }: MoveDemoOptions,
  destination: { readonly to: Isolation; readonly database?: string | undefined },
  stay: () => Promise<void>,
): Promise<readonly number[]> {
  const pauses: number[] = []
  const step = async (command: string, fn: () => Promise<Move>): Promise<void> => {
    say(`$ partywall move ${command}`)
    const { state, serving, source, target } = await fn()
    say(`  ${state}, served at the ${serving}: ${placeText(serving === 'source' ? source : target)}`)
  }
  const options = {
    actor,
    reason: demoReason,
    onProgress: (event: MoveEvent) => {
      if (event.kind !== 'pause') return
      pauses.push(event.pauseMs)
      say(`  its writes paused for ${pauseText(event.pauseMs)}${event.isSwitch ? ': the switch' : ', to compare both places'}`)
    },
  }
  await step(`start ${slug} --to ${destination.to}`, () => moves.start(id, destination, options))
  await step(`verify ${slug}`, () => moves.verify(id, options))
  await stay()
  await step(`switch ${slug}`, () => moves.switch(id, options))
  await stay()
  await step(`complete ${slug}`, () => moves.complete(id, options))
  return pauses
}

/** What a demonstration that was killed has left open is taken back. */
export async function takeBackDemoMoves({ moves }: Pick<Fleet, 'moves'>, report: (line: string) => void): Promise<void> {
  for (const { id, reason } of await moves.list({ open: true, limit: 1_000 })) {
    if (reason !== demoReason) continue
    report('Taking back the move of a demonstration that was killed')
    await moves.resumeAll()
    const { move, next } = await moves.status(id)
    if (next.includes('reverse')) await moves.reverse(id, { reason: demoReason })
    if (!isOver(move.state)) await moves.cancel(id, { reason: demoReason })
  }
}

class DemoWriter {
  readonly #options: MoveDemoOptions
  readonly #stopping = new AbortController()
  /** Where each thing that was acknowledged can be read. */
  readonly #locations: string[] = []
  #written = 0
  #refused = 0
  #slowestMs = 0

  constructor(options: MoveDemoOptions) {
    this.#options = options
  }

  /** Until `stop`: one at a time, so that a pause would be seen as a line that comes late. */
  async run(): Promise<void> {
    const { everyMs } = this.#options
    while (!this.#stopping.signal.aborted) {
      const startedMs = systemClock.monotonic()
      await this.#write()
      const leftMs = Math.max(0, everyMs - (systemClock.monotonic() - startedMs))
      await wait(leftMs, undefined, { signal: this.#stopping.signal }).catch(() => {})
    }
  }

  stop(): void {
    this.#stopping.abort()
  }

  async result(): Promise<Omit<MoveDemoResult, 'pausesMs'>> {
    let found = 0
    for (const location of this.#locations) if ((await this.#request(location, {})).ok) found += 1
    return { written: this.#written, refused: this.#refused, found, slowestMs: this.#slowestMs }
  }

  async #write(): Promise<void> {
    const { probe, say, fleet, tenant } = this.#options
    const number = this.#written + this.#refused + 1
    const at = new Date(systemClock.now()).toTimeString().slice(0, 8)
    const startedMs = systemClock.monotonic()
    const answer = await this.#request(probe.collection, {
      method: 'POST',
      body: JSON.stringify(probe.sample(`Written on the way ${at} ${number}`)),
    })
    const tookMs = systemClock.monotonic() - startedMs
    this.#slowestMs = Math.max(this.#slowestMs, tookMs)
    const location = answer.headers.get('location')
    if (answer.ok) this.#written += 1
    else this.#refused += 1
    if (answer.ok && location !== null) this.#locations.push(location)
    const placement: Placement | undefined = (await fleet.catalog.find({ kind: 'id', id: tenant.id }))?.placement
    const where = placement === undefined ? 'nowhere' : placeText(placement)
    say(
      `${at}  ${answer.ok ? `wrote #${number}` : `REFUSED #${number} (${answer.status})`} in ${pauseText(tookMs)}, ${tenant.slug}: ${where}`,
    )
  }

  async #request(path: string, init: { readonly method?: string; readonly body?: string }): Promise<Response> {
    const { dev, tenant } = this.#options
    const { apiKey } = dev.tenants.find(({ id }) => id === tenant.id)!
    const headers = { 'x-api-key': apiKey, ...(init.body !== undefined && { 'content-type': 'application/json' }) }
    return await fetch(new URL(path, dev.url), { ...init, headers }).catch((error: Error) => new Response(error.message, { status: 599 }))
  }
}
