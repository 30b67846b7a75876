// Proves that attacks can succeed: each is tried again where its own mutation has taken down what stopped it, in a database of its own.
// One that still comes to nothing proves nothing, and is a defect of the kit, or of what it was pointed at.

import { logins } from '../../postgres/installation.ts'
import { type TestTenancy, type TestTenancyOptions, testTenancy } from '../test-tenancy.ts'
import type { Mutation, SqlAttack } from './attack.ts'
import type { Seeds } from './seed.ts'
import { placesOf, sqlAttacks, tryAttack } from './sql-attacks.ts'
import { IsolationStage } from './stage.ts'
import { surveyOf } from './survey.ts'

/** An attack, and whether it was seen to succeed. */
export interface Proof {
  readonly attack: string
  readonly tries: string
  /** What was taken down. */
  readonly mutation: string
  /** `red`: it succeeded, as it must. */
  readonly outcome: 'red' | 'defect'
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
  for (const [mutation, attacks] of Map.groupBy(wanted, (attack) => attack.mutation)) {
    for (const proof of await proveOne(mutation, attacks, options)) {
      options.onProof?.(proof)
      proofs.push(proof)
    }
  }
  return proofs
}

async function proveOne(mutation: Mutation, attacks: readonly SqlAttack[], options: ProveOptions): Promise<readonly Proof[]> {
  await using kit = await testTenancy(options)
  await run(kit, mutation.before?.((await surveyOf(kit.truth, logins.app)).tables) ?? [])
  const stage = await IsolationStage.set(kit, options)
  const applied = new Set<unknown>()
  try {
    const proofs: Proof[] = []
    for (const attack of attacks) {
      const tries: string[] = []
      let got: string | undefined
      for (const place of placesOf(attack, stage)) {
        if (!applied.has(place.target)) {
          applied.add(place.target)
          const failure = await run(kit, mutation.after?.(place.target, stage) ?? []).catch((error: Error) => error)
          if (failure instanceof Error) tries.push(`${place.name}: the change could not be made: ${failure.message}`)
        }
        const { outcome, detail } = await tryAttack(attack, stage, place)
        if (outcome === 'breached') {
          got = `${place.name}: ${detail}`
          break
        }
        tries.push(`${place.name}: ${outcome} ${detail}`)
      }
      const told = got ?? (tries.join('; ') || 'there is no place for it')
      proofs.push({
        attack: attack.id,
        tries: attack.tries,
        mutation: mutation.what,
        outcome: got === undefined ? 'defect' : 'red',
        detail: told,
      })
    }
    return proofs
  } finally {
    await run(kit, mutation.undo ?? [])
    await stage.strike()
  }
}

async function run(kit: TestTenancy, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await kit.truth.query(statement)
}
