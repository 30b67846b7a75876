// What an attack over HTTP is, and how it is judged: by the victim's values in what came back, by its rows afterwards, and by errors
// that are nobody's intention. A status alone proves nothing.

import { type AttackWords, breached, held, type Verdict } from '../attack.ts'
import type { AttackResult } from '../report.ts'
import type { HttpMutation } from './breaks.ts'
import type { KitAnswer } from './door.ts'
import type { HttpStage, HttpTarget } from './http-stage.ts'

export interface HttpAttack extends AttackWords {
  readonly mutation: HttpMutation
  /** @returns a text that says why it cannot be tried on this route, or undefined where it is meant for others. */
  run(stage: HttpStage, target: HttpTarget): Promise<Verdict | undefined>
  /** Only these routes are its own. */
  readonly on: (target: HttpTarget) => boolean
}

export const isRead = ({ route }: HttpTarget): boolean => route.method === 'GET'
export const isItem = (target: HttpTarget): boolean => target.hasId
export const isWrite = (target: HttpTarget): boolean => !isRead(target)
export const isCollection = (target: HttpTarget): boolean => isRead(target) && !target.hasId

/** What an answer gives away. `said` is what the request itself has named. */
export function leakIn({ stage }: HttpStage, answer: KitAnswer, said: string): string | undefined {
  if (answer.status >= 500) return `${answer.status} ${answer.text.slice(0, 120)}`
  const secret = stage.secretIn(`${answer.text} ${JSON.stringify(answer.headers)}`, said)
  return secret === undefined ? undefined : `${answer.status}, and in it ${secret}`
}

export function verdictOf(stage: HttpStage, answer: KitAnswer, said: string): Verdict {
  const leak = leakIn(stage, answer, said)
  return leak === undefined ? held : breached(leak)
}

/** Tries it, and looks at what the victim has afterwards. */
export async function tryHttp(attack: HttpAttack, stage: HttpStage, target: HttpTarget): Promise<AttackResult> {
  const { id, tries } = attack
  const result = (outcome: AttackResult['outcome'], detail = ''): AttackResult => ({
    attack: id,
    door: 'HTTP',
    tries,
    on: target.name,
    outcome,
    detail,
  })
  const verdict = await attack
    .run(stage, target)
    .catch((error: Error) => ({ outcome: 'breached' as const, detail: `the service broke: ${error.message}` }))
  if (await stage.stage.hasChanged()) {
    const harmed = await stage.stage.harmed()
    await stage.stage.restore()
    if (harmed.length > 0) return result('breached', `rows of the victim changed in ${harmed.join(', ')}`)
  }
  if (verdict === undefined) return result('unreached', 'there is nothing of the kind')
  return result(verdict.outcome, 'detail' in verdict ? verdict.detail : '')
}
