// Proves that attacks can succeed: each is tried again where its own mutation has taken down what stopped it, in a database of its own.
// One that still comes to nothing proves nothing, and is a defect of the kit, or of what it was pointed at.

import { logins } from '../../postgres/installation.ts'
import { openSession } from '../host/session.ts'
import { type TestTenancy, type TestTenancyOptions, testTenancy } from '../test-tenancy.ts'
import type { AttackWords, Mutation, SqlAttack } from './attack.ts'
import type { AttackResult } from './report.ts'
import type { Seeds } from './seed.ts'
import { failedByItself, placesOf, sqlAttacks, tryAttack } from './sql-attacks.ts'
import { IsolationStage } from './stage.ts'
import { surveyOf } from './survey.ts'

/** An attack, and whether it was seen to succeed. */
export interface Proof {
  readonly attack: string
  readonly tries: string
  /** What was taken down. */
  readonly mutation: string
  /** `red`: it succeeded, as it must. `unreached`: there is nothing here that it could be tried on. */
  readonly outcome: 'red' | 'defect' | 'unreached'
  /** What it got, or what came of it in each place instead. */
  readonly detail: string
}

export interface ProveOptions extends TestTenancyOptions {
  readonly seeds?: Seeds | undefined
  /** Attacks whose id begins with one of these. Default: all. */
  readonly only?: readonly string[] | undefined
  readonly onProof?: ((proof: Proof) => void) | undefined
}

/**
 * Proves every attack in SQL. Some mutations change roles, which belong to the whole server: give it a server that nobody else uses.
 *
 * @throws what {@link testTenancy} throws.
 */
export async function proveSql(options: ProveOptions): Promise<readonly Proof[]> {
  const { only } = options
  const wanted = sqlAttacks.filter(({ id }) => only === undefined || only.some((start) => id.startsWith(start)))
  const proofs: Proof[] = []
  // Held until the end, so that the template is found and the server asked for once.
  const session = await openSession(options)
  try {
    // Mutations are known by their words: the same words are the same change, and share a database.
    for (const attacks of Map.groupBy(wanted, ({ mutation }) => mutation.what).values()) {
      const [first] = attacks
      if (first === undefined) continue
      for (const proof of await proveOne(first.mutation, attacks, options)) {
        options.onProof?.(proof)
        proofs.push(proof)
      }
    }
    return proofs
  } finally {
    await session.release()
  }
}

async function proveOne(mutation: Mutation, attacks: readonly SqlAttack[], options: ProveOptions): Promise<readonly Proof[]> {
  await using kit = await testTenancy(options)
  await run(kit, mutation.before?.((await surveyOf(kit.truth, logins.app)).tables) ?? [])
  const stage = await IsolationStage.set(kit, options)
  const applied = new Set<unknown>()
  try {
    const proofs: Proof[] = []
    for (const attack of attacks) {
      const tries: Tried[] = []
      let got: string | undefined
      for (const place of placesOf(attack, stage)) {
        if (!applied.has(place.target)) {
          applied.add(place.target)
          const failure = await run(kit, mutation.after?.(place.target, stage) ?? []).catch((error: Error) => error)
          if (failure instanceof Error)
            tries.push({ on: place.name, outcome: 'held', detail: `the change could not be made: ${failure.message}` })
        }
        const result = await tryAttack(attack, stage, place)
        if (result.outcome === 'breached') {
          got = `${place.name}: ${result.detail}`
          break
        }
        tries.push(result)
      }
      proofs.push(proofOf({ attack, mutation, got, tries }))
    }
    return proofs
  } finally {
    await run(kit, mutation.undo ?? [])
    await stage.strike()
  }
}

/** What is to be said of an attack from what came of it in each place. */
export function proofOf(options: {
  readonly attack: AttackWords
  readonly mutation: { readonly what: string }
  readonly got: string | undefined
  readonly tries: readonly Tried[]
}): Proof {
  const { attack, mutation, got, tries } = options
  const words = { attack: attack.id, tries: attack.tries, mutation: mutation.what }
  if (got !== undefined) return { ...words, outcome: 'red', detail: got }
  const isPossible = tries.some(({ outcome, detail }) => outcome !== 'unreached' || detail.startsWith(failedByItself))
  const detail = tries.map((each) => `${each.on}: ${each.outcome} ${each.detail}`).join('; ') || 'there is no place for it'
  return { ...words, outcome: isPossible ? 'defect' : 'unreached', detail }
}

/** What came of an attempt in one place. */
export type Tried = Pick<AttackResult, 'on' | 'outcome' | 'detail'>

async function run(kit: TestTenancy, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await kit.truth.query(statement)
}
