// Tries to cross the wall, live: over HTTP as another tenant, and in SQL as whoever has found an injection. Every attempt is
// seen to be able to fail (test/testing/wall-check.test.ts takes the wall down and watches them leak).

import { httpReads, httpWrites } from './wall-attempts-http.ts'
import { loginAttempts } from './wall-attempts-login.ts'
import { sqlAttempts } from './wall-attempts-sql.ts'
import { type WallCheckOptions, WallStage } from './wall-stage.ts'

/** One way to try. */
export interface WallAttempt {
  /** What is tried, in words. */
  readonly name: string
  /** It says nothing of the victim: to try it once for each attacker is enough. */
  readonly isOfAttacker?: true | undefined
  /** @returns undefined when it was refused; else what was got. Throws when it could not be tried. */
  run(stage: WallStage): Promise<string | undefined>
}

export interface WallResult {
  readonly name: string
  readonly door: 'HTTP' | 'SQL'
  /** `void`: it could not be tried, which proves nothing. */
  readonly outcome: 'refused' | 'leaked' | 'void'
  /** What leaked, or why it was void. */
  readonly detail: string
}

export interface WallReport {
  readonly attempts: readonly WallResult[]
  /** Every attempt was tried, and refused. */
  readonly held: boolean
}

/** An attempt that is ready to be made. */
export interface ReadyAttempt extends Pick<WallResult, 'name' | 'door'> {
  /** See {@link WallAttempt}. */
  run(): Promise<string | undefined>
}

/**
 * Tries everything, one after another; for another pair of the same attacker only what depends on the victim.
 *
 * @throws when the stage cannot be set: no database, no service, or a tenant that cannot even write its own rows.
 */
export async function checkWall(options: WallCheckOptions): Promise<WallReport> {
  const stage = await WallStage.set(options)
  const ready = (door: WallResult['door'], attempts: readonly WallAttempt[]): readonly ReadyAttempt[] =>
    attempts
      .filter(({ isOfAttacker }) => options.suspended !== undefined || isOfAttacker === undefined)
      .map((attempt) => ({ name: attempt.name, door, run: () => attempt.run(stage) }))
  try {
    return await tryAll([
      ...ready('HTTP', httpReads),
      ...ready('SQL', sqlAttempts),
      ...ready('SQL', loginAttempts),
      ...ready('HTTP', httpWrites),
    ])
  } finally {
    await stage.strike()
  }
}

/** Makes them, one after another. */
export async function tryAll(ready: readonly ReadyAttempt[]): Promise<WallReport> {
  const attempts: WallResult[] = []
  for (const attempt of ready) attempts.push(await tryOne(attempt))
  return { attempts, held: attempts.every(({ outcome }) => outcome === 'refused') }
}

async function tryOne({ name, door, run }: ReadyAttempt): Promise<WallResult> {
  try {
    const leak = await run()
    if (leak === undefined) return { name, door, outcome: 'refused', detail: '' }
    return { name, door, outcome: 'leaked', detail: leak }
  } catch (error) {
    return { name, door, outcome: 'void', detail: error instanceof Error ? error.message : String(error) }
  }
}
