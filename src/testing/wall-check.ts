// Tries to cross the wall, live: over HTTP as another tenant, and in SQL as whoever has found an injection. Every attempt is
// seen to be able to fail (test/testing/wall-check.test.ts takes the wall down and watches them leak).

import { httpReads, httpWrites } from './wall-attempts-http.ts'
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

/**
 * Tries everything, one after another; for another pair of the same attacker only what depends on the victim.
 *
 * @throws when the stage cannot be set: no database, no service, or a tenant that cannot even write its own rows.
 */
export async function checkWall(options: WallCheckOptions): Promise<WallReport> {
  const stage = await WallStage.set(options)
  try {
    const wanted = ({ isOfAttacker }: WallAttempt): boolean => options.suspended !== undefined || isOfAttacker === undefined
    const attempts: WallResult[] = []
    for (const attempt of httpReads.filter(wanted)) attempts.push(await tryOne(stage, 'HTTP', attempt))
    for (const attempt of sqlAttempts.filter(wanted)) attempts.push(await tryOne(stage, 'SQL', attempt))
    for (const attempt of httpWrites.filter(wanted)) attempts.push(await tryOne(stage, 'HTTP', attempt))
    return { attempts, held: attempts.every(({ outcome }) => outcome === 'refused') }
  } finally {
    await stage.strike()
  }
}

async function tryOne(stage: WallStage, door: WallResult['door'], attempt: WallAttempt): Promise<WallResult> {
  const { name } = attempt
  try {
    const leak = await attempt.run(stage)
    if (leak === undefined) return { name, door, outcome: 'refused', detail: '' }
    return { name, door, outcome: 'leaked', detail: leak }
  } catch (error) {
    return { name, door, outcome: 'void', detail: error instanceof Error ? error.message : String(error) }
  }
}
