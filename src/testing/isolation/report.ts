// What was tried, on what, and what came of it; and what could not be tried, and why. For people, and as JSON.

import { systemClock } from '../../core/clock.ts'
import { WallBreachedError } from '../../errors.ts'
import type { AttackDoor } from './attack.ts'

/** One attempt. */
export interface AttackResult {
  /** The attack: `partywall kit list` says what each tries. */
  readonly attack: string
  readonly door: AttackDoor
  readonly tries: string
  /** The table, object or route that it was tried on. */
  readonly on: string
  /** `unreached`: it could not be tried there, which proves nothing. */
  readonly outcome: 'held' | 'breached' | 'unreached'
  /** What was got, or why it could not be tried. */
  readonly detail: string
}

/** Something that was found and that no attack reached. */
export interface Unreached {
  /** A table, a route, a resource. */
  readonly what: string
  readonly reason: string
}

/** What was found to be tried. */
export interface Found {
  readonly tables: readonly { readonly name: string; readonly status: string }[]
  readonly objects: readonly string[]
  readonly routes: readonly string[]
  readonly resources: readonly string[]
}

export class IsolationReport {
  /** When the last attack had been tried. */
  readonly at = new Date(systemClock.now())
  readonly found: Found
  readonly results: readonly AttackResult[]
  readonly unreached: readonly Unreached[]

  /** @internal */
  constructor(parts: { readonly found: Found; readonly results: readonly AttackResult[]; readonly unreached: readonly Unreached[] }) {
    this.found = parts.found
    this.results = parts.results
    this.unreached = parts.unreached
  }

  get breaches(): readonly AttackResult[] {
    return this.results.filter(({ outcome }) => outcome === 'breached')
  }

  /** How many attempts were made, and how many different attacks they were. */
  get tried(): { readonly attempts: number; readonly attacks: number } {
    const made = this.results.filter(({ outcome }) => outcome !== 'unreached')
    return { attempts: made.length, attacks: new Set(made.map(({ attack }) => attack)).size }
  }

  /** @throws {WallBreachedError} with every breach in its details. */
  assertHeld(): void {
    const { breaches } = this
    if (breaches.length === 0) return
    throw new WallBreachedError(`The wall was crossed ${breaches.length} times:\n${breaches.map(line).join('\n')}`, {
      details: { breaches: breaches.map((breach) => ({ ...breach })) },
    })
  }

  toJSON(): object {
    const { at, found, tried, breaches, unreached, results } = this
    return { at: at.toISOString(), found, tried, held: breaches.length === 0, breaches, unreached, results }
  }

  /** For a terminal or a log. */
  toString(): string {
    const { found, tried, breaches, unreached, results } = this
    const empty = results.filter(({ outcome }) => outcome === 'unreached')
    return [
      `${tried.attempts} attempts of ${tried.attacks} attacks: ${tried.attempts - breaches.length} refused, ${breaches.length} breached.`,
      `Found ${found.tables.length} tables, ${found.objects.length} views, functions and sequences, ${found.routes.length} routes, ${found.resources.length} resources.`,
      ...places(results),
      ...(breaches.length > 0 ? ['Breached:', ...breaches.map(line)] : []),
      ...(unreached.length > 0 ? ['Not reached:', ...unreached.map(({ what, reason }) => `  ${what}: ${reason}`)] : []),
      ...(empty.length > 0 ? [`${empty.length} attempts could not be made there, and prove nothing:`, ...grouped(empty)] : []),
    ].join('\n')
  }
}

function line({ attack, on, tries, detail }: AttackResult): string {
  return `  ${attack} on ${on}: ${tries}. ${detail}`
}

function places(results: readonly AttackResult[]): readonly string[] {
  const by = Map.groupBy(results, ({ door, on }) => `${door} ${on}`)
  return [...by].map(([place, there]) => {
    const count = (outcome: AttackResult['outcome']) => there.filter((each) => each.outcome === outcome).length
    return `  ${place}: ${count('held')} refused, ${count('breached')} breached, ${count('unreached')} not possible`
  })
}

function grouped(results: readonly AttackResult[]): readonly string[] {
  const by = Map.groupBy(results, ({ on, detail }) => `${on}: ${detail}`)
  return [...by].map(([reason, these]) => `  ${reason} (${these.map(({ attack }) => attack).join(', ')})`)
}
