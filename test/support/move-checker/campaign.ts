// A campaign: a tenant is moved again and again while it is written and read, and everything that takes part is killed. What is found is
// told in sentences; none is the only good answer.

import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { isolations } from '../../../src/core/placement.ts'
import type { Tenant } from '../../../src/core/tenant.ts'
import { ActorProcess } from './actor-process.ts'
import type { ApplicationTask } from './application.ts'
import { Ground, type MoveRow, type ServerName, serverNames } from './ground.ts'
import { readHistory } from './history.ts'
import type { Ask, MoverTask, Told } from './mover.ts'
import { Random } from './random.ts'
import { contradictions } from './verdict.ts'

export interface CampaignOptions {
  readonly seed: number
  readonly moves: number
  /** Of a move's verbs: in how many something is killed. */
  readonly faultsPart: number
  readonly faults: readonly Fault[]
  /** During which verbs, and at the beginning of which states. Default: any. */
  readonly faultsAt?: { readonly verbs: readonly Verb[]; readonly moments: readonly Moment[] } | undefined
  /** What becomes of a move: chosen by chance among these. Default: all there is. */
  readonly plans?: readonly (readonly Verb[])[] | undefined
  readonly applications: number
  /** Between two operations of one of their six writers, on average. Default 15. */
  readonly pauseMs?: number | undefined
  /** Rows of the tenant that nobody writes again. */
  readonly ballast: number
  readonly tell?: ((line: string) => void) | undefined
}

export type Fault =
  | 'mover'
  | 'both movers'
  | 'frozen mover'
  | 'source'
  | 'target'
  | 'catalog'
  | 'application'
  | 'stalled replication'
  | 'drained target'
export const allFaults: readonly Fault[] = [
  'mover',
  'mover',
  'mover',
  'both movers',
  'source',
  'target',
  'catalog',
  'application',
  'stalled replication',
  'drained target',
]

export interface Report {
  readonly seed: number
  readonly moves: number
  readonly switches: number
  /** How often each was killed, or stalled. */
  readonly faults: Readonly<Record<string, number>>
  readonly operations: Readonly<Record<string, number>>
  /** What operations of the tenant failed with, and how often. */
  readonly errors: Readonly<Record<string, number>>
  /** Longest time without an acknowledged write of the tenant, in milliseconds, over all that happened. */
  readonly gapMs: number
  /** How long writes paused, as movers saw it, for each switch. */
  readonly pausesMs: readonly number[]
  readonly wrong: readonly string[]
}

/** The states at whose beginning something may happen; each is in the catalog before its work begins. */
const moments = ['planned', 'copying', 'following', 'fencing', 'switched', 'turning', 'finishing', 'cancelling'] as const
export type Moment = (typeof moments)[number]
const goalTimeoutMs = 120_000

export async function campaign(options: CampaignOptions): Promise<Report> {
  const running = new Campaign(options, await Ground.make())
  try {
    return await running.run()
  } finally {
    await running.end()
  }
}

export type Verb = Ask['verb']
const allPlans: readonly (readonly Verb[])[] = [
  ['start', 'switch', 'complete'],
  ['start', 'verify', 'switch', 'complete'],
  ['start', 'switch', 'reverse', 'switch', 'complete'],
  ['start', 'switch', 'reverse', 'cancel'],
  ['start', 'cancel'],
]

class Campaign {
  readonly #o: CampaignOptions
  readonly #ground: Ground
  readonly #random: Random
  readonly #movers: ActorProcess[] = []
  readonly #applications: ActorProcess[] = []
  readonly #histories: string[] = []
  readonly #faults: Record<string, number> = {}
  readonly #pauses: number[] = []
  readonly #wrong: string[] = []
  #switches = 0
  #mishaps = new Set<Promise<void>>()

  constructor(options: CampaignOptions, ground: Ground) {
    this.#o = options
    this.#ground = ground
    this.#random = new Random(options.seed)
  }

  async run(): Promise<Report> {
    const { seed, moves, ballast, applications, tell = () => {} } = this.#o
    const ground = this.#ground
    await ground.tenant('nomad', 'pooled', ballast)
    await ground.tenant('busy', 'pooled', 50)
    const still = [await ground.tenant('still', 'pooled', 300), await ground.tenant('quiet', 'schema', 300)]
    const before = await this.#checksums([await ground.find('nomad'), ...still])
    for (let id = 0; id < 2; id += 1) this.#movers.push(this.#mover())
    for (let id = 0; id < applications; id += 1) this.#applications.push(this.#application(id))
    await Promise.all([...this.#movers, ...this.#applications].map((actor) => actor.start()))
    for (let move = 1; move <= moves; move += 1) {
      const done = await this.#move()
      tell(`move ${move} of ${moves}: ${done}`)
      if (this.#wrong.length > 0) {
        for (const line of this.#wrong) tell(line)
        break
      }
    }
    await this.#rest()
    const after = await this.#checksums([await ground.find('nomad'), ...still])
    for (const [at, sum] of before.entries())
      if (after[at] !== sum) this.#wrong.push(`rows that nobody writes were ${sum}, and are ${after[at]}`)
    return await this.#report(seed, moves)
  }

  async #report(seed: number, moves: number): Promise<Report> {
    const operations = readHistory(this.#histories)
    const counted: Record<string, number> = {}
    for (const slug of ['nomad', 'busy']) {
      const mine = operations.filter(({ tenant }) => tenant === slug)
      for (const { outcome } of mine) counted[`${slug} ${outcome}`] = (counted[`${slug} ${outcome}`] ?? 0) + 1
      const tenant = await this.#ground.find(slug)
      this.#wrong.push(...contradictions(mine, await this.#ground.truth(tenant)).map((line) => `${slug}: ${line}`))
    }
    const errors: Record<string, number> = {}
    for (const { tenant, outcome, error } of operations) {
      if (tenant === 'nomad' && error !== undefined) {
        const told = `${outcome}: ${error.replaceAll(/[0-9a-f-]{36}|\d+/g, '…').slice(0, 120)}`
        errors[told] = (errors[told] ?? 0) + 1
      }
    }
    const nomad = await this.#ground.find('nomad')
    const left = await this.#ground.leftovers(nomad)
    this.#wrong.push(...left.map((line) => `left over: ${line}`))
    const writes = operations
      .filter(({ tenant, kind, outcome }) => tenant === 'nomad' && kind !== 'read' && outcome === 'acknowledged')
      .map(({ endedAt }) => Number(endedAt! / 1_000n) / 1_000)
      .toSorted((a, b) => a - b)
    const gapMs = writes.reduce((longest, at, index) => (index === 0 ? 0 : Math.max(longest, at - writes[index - 1]!)), 0)
    return {
      seed,
      moves,
      switches: this.#switches,
      faults: this.#faults,
      operations: counted,
      errors,
      gapMs: Math.round(gapMs),
      pausesMs: this.#pauses.map(Math.round),
      wrong: this.#wrong,
    }
  }

  /** One move, from start to end, by a plan. @returns what was done. */
  async #move(): Promise<string> {
    const tenant = await this.#ground.find('nomad')
    const from = tenant.placement.isolation
    const to = this.#random.pick(isolations.filter((isolation) => isolation !== from))
    const told: string[] = [`${from} → ${to}`]
    let last = await this.#ground.lastMove(tenant.id)
    const known = last?.id
    for (const verb of this.#random.pick(this.#o.plans ?? allPlans)) {
      const { faults, faultsPart, faultsAt } = this.#o
      const mayHappen = faultsAt === undefined || faultsAt.verbs.includes(verb)
      const fault = mayHappen && this.#random.chance(faultsPart) ? this.#random.pick(faults) : undefined
      if (fault !== undefined) this.#mishap(this.#harm(fault, tenant))
      const isReached = reached(verb, known)
      last = await this.#reach(tenant, { verb, tenant: 'nomad', to, fenceMs: this.#random.pick([500, 1_000, 2_000]) }, isReached)
      await Promise.all(this.#mishaps)
      told.push(fault === undefined ? verb : `${verb} (${fault})`)
      if (last === undefined || !isReached(last)) {
        this.#wrong.push(`${told.join(', ')}: not reached within ${goalTimeoutMs} ms, but ${JSON.stringify(last)}`)
        break
      }
      if (verb === 'switch' || verb === 'reverse') this.#switches += 1
      await wait(this.#random.between(0, 150))
    }
    return told.join(', ')
  }

  /** Asks, and asks again when nobody has heard, until it is so. */
  async #reach(tenant: Tenant, ask: Ask, isReached: (row: MoveRow) => boolean): Promise<MoveRow | undefined> {
    let row: MoveRow | undefined
    for (let waitedMs = 0, askAt = 0; waitedMs < goalTimeoutMs; waitedMs += 25) {
      row = await this.#ground.lastMove(tenant.id)
      if (row !== undefined && isReached(row)) return row
      if (waitedMs >= askAt) {
        askAt = waitedMs + 3_000
        const awake = this.#movers.filter((mover) => mover.isAlive)
        const isAsked = row?.wish === ask.verb || (ask.verb === 'start' && row !== undefined && !isOver(row))
        if (awake.length > 0 && !isAsked) this.#random.pick(awake).send(ask)
      }
      await wait(25)
    }
    return row
  }

  #mishap(happening: Promise<void>): void {
    this.#mishaps.add(happening)
    void happening.finally(() => this.#mishaps.delete(happening))
  }

  /** Waits for one of the move's moments, and strikes a little later; at the latest after a while. */
  async #harm(fault: Fault, tenant: Tenant): Promise<void> {
    if (fault === 'stalled replication') {
      this.#count(fault)
      return await this.#strike(fault, undefined)
    }
    if (fault === 'drained target') return await this.#strike(fault, await this.#ground.lastMove(tenant.id))
    const moment = this.#random.pick(this.#o.faultsAt?.moments ?? moments)
    const delayMs = this.#random.between(0, 12)
    const before = await this.#ground.lastMove(tenant.id)
    for (let waitedMs = 0; waitedMs < 1_200; waitedMs += 3) {
      const row = await this.#ground.lastMove(tenant.id)
      if (row?.state === moment && (before === undefined || row.id !== before.id || row.state !== before.state)) break
      await wait(3)
    }
    await wait(delayMs)
    this.#count(fault)
    await this.#strike(fault, await this.#ground.lastMove(tenant.id))
  }

  #count(fault: Fault): void {
    this.#faults[fault] = (this.#faults[fault] ?? 0) + 1
  }

  async #strike(fault: Fault, row: MoveRow | undefined): Promise<void> {
    switch (fault) {
      case 'mover':
        return await revive(this.#random.pick(this.#movers))
      case 'both movers':
        return void (await Promise.all(this.#movers.map(revive)))
      case 'frozen mover': {
        const mover = this.#random.pick(this.#movers)
        mover.freeze()
        // Longer than its lease: another one takes its move over.
        await wait(this.#random.between(10_500, 12_500))
        return mover.thaw()
      }
      case 'application':
        return await revive(this.#random.pick(this.#applications))
      case 'catalog':
        return await this.#crash('main')
      case 'source':
        return await this.#crash(row?.source.server)
      case 'target':
        return await this.#crash(row?.target.server)
      case 'stalled replication':
        // By fits and starts, for as long as a switch may take.
        for (let times = 0; times < 10; times += 1) {
          const ms = this.#random.between(50, 250)
          await Promise.all(serverNames.map((name) => this.#ground.servers[name].stallReplication(ms)))
          await wait(this.#random.between(0, 60))
        }
        return
      case 'drained target':
        return await this.#killDrained(row)
    }
  }

  /** Kills the place that a tenant is switched to in the moment in which it shows the marker of the fence, and before it is served there. */
  async #killDrained(row: MoveRow | undefined): Promise<void> {
    if (row === undefined || isOver(row)) return
    const to = row.serving === 'source' ? row.target : row.source
    const server = this.#ground.servers[to.server as ServerName]
    await this.#ground.whileHeld(row.id, to, async (fence) => {
      if (!(await this.#ground.showsMarker(to, { moveId: row.id, fence, waitMs: 1_000 }))) return
      await server.kill()
      this.#count('drained target')
      // Nothing can be brought again, so that what is there was never away.
      await server.restart({ replicates: false })
      if (!(await this.#ground.showsMarker(to, { moveId: row.id, fence, waitMs: 0 }))) {
        this.#wrong.push(`${to.server} had shown the marker of fence ${fence}, was killed, and has lost it`)
      }
      await server.kill()
      await server.restart()
    })
  }

  async #crash(name = 'main'): Promise<void> {
    const server = this.#ground.servers[name as ServerName]
    await server.kill()
    await wait(this.#random.between(0, 400))
    await server.restart()
  }

  /** Everybody ends by himself; what is left of moves that nobody knew is removed, as a keeper would. */
  async #rest(): Promise<void> {
    await Promise.all(this.#mishaps)
    for (const application of this.#applications) if (!(await application.stop(30_000))) this.#wrong.push('an application did not end')
    for (const mover of this.#movers) if (!(await mover.stop(30_000))) this.#wrong.push(`a mover did not end: ${mover.complaint}`)
    await this.#ground.fleet.moves.reap()
  }

  async #checksums(tenants: readonly Tenant[]): Promise<readonly string[]> {
    return await Promise.all(tenants.map(async (tenant) => `${tenant.slug}: ${await this.#ground.checksum(tenant)}`))
  }

  #mover(): ActorProcess {
    const { secrets, urls } = this.#ground
    const task: MoverTask = { secrets, urls }
    return new ActorProcess(
      new URL('./mover.ts', import.meta.url),
      () => task,
      (complaint) => this.#died('mover', complaint),
      (message) => this.#heard(message as Told),
    )
  }

  #heard(told: Told): void {
    if (told.kind === 'event' && told.event['kind'] === 'pause' && told.event['isSwitch'] === true)
      this.#pauses.push(Number(told.event['pauseMs']))
    if (told.kind === 'answer' && told.error !== undefined) {
      this.#o.tell?.(`  ${told.ask.verb}: ${told.error}`)
      // The mover itself has found that a row is missing, or one too many.
      if (/The two places .* differ/.test(told.error)) this.#wrong.push(`${told.ask.verb}: ${told.error}`)
    }
  }

  /** Nobody had killed it: whatever happens around them, processes go on. */
  #died(what: string, complaint: string): void {
    this.#wrong.push(`a ${what} died by itself: ${complaint}`)
    this.#o.tell?.(`a ${what} died by itself: ${complaint}`)
  }

  #application(id: number): ActorProcess {
    let generation = 0
    const task = (): ApplicationTask => {
      generation += 1
      const name = `${id}.${generation}`
      const history = join(this.#ground.directory, `history-${name}`)
      this.#histories.push(history)
      const { secrets, urls } = this.#ground
      const tenants = [
        { slug: 'nomad', writers: 4 },
        { slug: 'busy', writers: 2 },
      ]
      return {
        urls,
        secrets,
        history,
        name,
        tenants,
        seed: this.#o.seed + 1_000 * id + generation,
        pauseMs: this.#o.pauseMs ?? 15,
      }
    }
    return new ActorProcess(new URL('./application.ts', import.meta.url), task, (complaint) =>
      this.#died('process of the application', complaint),
    )
  }

  async end(): Promise<void> {
    for (const actor of [...this.#movers, ...this.#applications]) {
      actor.thaw()
      await actor.kill()
    }
    await Promise.allSettled(this.#mishaps)
    await this.#ground.strike()
  }
}

function isOver({ state }: MoveRow): boolean {
  return state === 'done' || state === 'cancelled'
}

/** Is what was asked done? */
function reached(verb: Verb, known: string | undefined): (row: MoveRow) => boolean {
  const rests = (row: MoveRow): boolean => row.id !== known && row.state === 'following' && row.wish === null
  switch (verb) {
    case 'start':
    case 'verify':
      return rests
    case 'switch':
      return (row) => rests(row) && row.serving === 'target'
    case 'reverse':
      return (row) => rests(row) && row.serving === 'source'
    case 'complete':
    case 'cancel':
      return (row) => row.id !== known && isOver(row)
  }
}

async function revive(actor: ActorProcess): Promise<void> {
  await actor.kill()
  await actor.start()
}
