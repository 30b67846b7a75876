// Makes attempts in SQL, one after another, and judges each: by what was shown, by what is there afterwards, never by a code alone.

import type { Attempt, SqlAttack, Statement, Verdict } from './attack.ts'
import { breached, held, unreached } from './attack.ts'
import type { Loot } from './attacker.ts'
import { forgeries } from './attacks/forgeries.ts'
import { objects } from './attacks/objects.ts'
import { oracles } from './attacks/oracles.ts'
import { powers } from './attacks/powers.ts'
import { reads } from './attacks/reads.ts'
import { writes } from './attacks/writes.ts'
import type { AttackResult } from './report.ts'
import type { IsolationStage } from './stage.ts'
import type { SurveyedObject } from './survey.ts'
import type { TableTarget } from './target.ts'

/** Every attack in SQL. Those that write come last. */
export const sqlAttacks: readonly SqlAttack[] = [...reads, ...forgeries, ...oracles, ...powers, ...objects, ...writes]

/**
 * SQLSTATEs with which PostgreSQL and the wall refuse: privilege or policy, not a capability, no such thing (it is kept elsewhere), ours.
 * Any other error could be the attempt's own fault, and proves nothing.
 */
const refusals = ['42501', '22P02', '42P01', 'PW001', 'PW002', 'PW003', 'PW004', 'PW005', 'PW006', 'PW007']
/** How the detail of an attempt begins that could have been made and was not made well. */
export const failedByItself = 'it failed by itself'
const detailLengthMax = 200

/** Where an attack can be tried. */
export interface AttackPlace {
  readonly name: string
  readonly target: TableTarget
  readonly object: SurveyedObject
}

/** Every place of an attack on this stage. */
export function placesOf(attack: SqlAttack, stage: IsolationStage): readonly AttackPlace[] {
  const first = stage.targets.find(({ table }) => table.status === 'protected')
  if (first === undefined) return []
  const none: SurveyedObject = { kind: 'view', sql: '', isDefiner: false, argumentsMin: 0 }
  const at = (target: TableTarget, name: string, object: SurveyedObject = none): AttackPlace => ({ target, name, object })
  const objectsOf = (...kinds: readonly SurveyedObject['kind'][]): readonly AttackPlace[] =>
    stage.survey.objects.filter(({ kind }) => kinds.includes(kind)).map((object) => at(first, object.sql, object))
  switch (attack.on) {
    case 'once':
      return [at(first, 'database')]
    case 'view':
      return objectsOf('view', 'materialized view', 'foreign table')
    case 'function':
      return objectsOf('function')
    case 'sequence':
      return objectsOf('sequence')
    case 'partition':
      return stage.survey.tables.filter(({ partitionOf }) => partitionOf !== null).map(({ sql }) => at(first, sql, { ...none, sql }))
    default:
      return stage.targets.filter(({ table }) => table.status === attack.on).map((target) => at(target, target.sql))
  }
}

/** Tries an attack in a place. */
export async function tryAttack(attack: SqlAttack, stage: IsolationStage, { target, object, name }: AttackPlace): Promise<AttackResult> {
  const attempt = attack.plan(target, stage, object)
  const verdict = typeof attempt === 'string' ? unreached(attempt) : await judged(stage, attempt)
  return {
    attack: attack.id,
    door: 'SQL',
    tries: attack.tries,
    on: name,
    outcome: verdict.outcome,
    detail: 'detail' in verdict ? verdict.detail : '',
  }
}

async function judged(stage: IsolationStage, attempt: Attempt): Promise<Verdict> {
  const { statements, capability, commits = false, control } = attempt
  const bound = capability === undefined ? stage.capability : 'none' in capability ? undefined : capability.forged
  const loot = await stage.sql.attempt(statements, { capability: bound, commits })
  const verdict = verdictOf(stage, attempt, loot)
  if (commits && (await stage.hasChanged())) {
    const harmed = await stage.harmed()
    await stage.restore()
    if (harmed.length > 0) return breached(`rows of the victim changed in ${harmed.join(', ')}`)
  }
  if (verdict.outcome !== 'held' || control === undefined) return verdict
  const same = await stage.sql.attempt(control, { capability: bound, commits: false })
  const [theirs, nobodys] = [impression(loot, attempt.hides), impression(same, attempt.hides)]
  return theirs === nobodys ? held : breached(`${theirs} is not ${nobodys}`.slice(0, 3 * detailLengthMax))
}

function verdictOf(stage: IsolationStage, attempt: Attempt, loot: Loot): Verdict {
  const secret = stage.secretIn(loot.shown, attempt.statements.map(textOf).join(' '))
  if (secret !== undefined) return breached(`was shown ${secret}`)
  const learned = attempt.judge?.(loot)
  if (learned !== undefined) return breached(learned)
  const { code, message, count } = loot
  if (code !== undefined && attempt.tells?.includes(code)) return breached(`was told by ${code} ${message}`.slice(0, detailLengthMax))
  if (code === undefined) {
    if (attempt.findsNothing && count > 0) return breached(`found ${count} rows that only the victim has`)
    return attempt.isForbidden ? breached('it was not refused') : held
  }
  if (refusals.includes(code) || attempt.refusals?.includes(code)) return held
  return unreached(`${failedByItself}: ${code} ${message}`.slice(0, detailLengthMax))
}

function textOf(statement: Statement): string {
  return typeof statement === 'string' ? statement : `${statement.text} ${JSON.stringify(statement.values)}`
}

/** What may be compared: without what was asked for. */
function impression({ code, count, shown }: Loot, hides: readonly string[] = []): string {
  const plain = hides.reduce((text, value) => text.replaceAll(value, '<value>'), shown)
  return `${code ?? 'no error'}, ${count} rows, ${plain.replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<id>')}`
}
