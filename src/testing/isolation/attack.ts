// What an attack is: what it tries, how it is judged, and the change that must make it succeed. One that nothing can make succeed proves
// nothing, and is reported as a defect.

import type { Loot } from './attacker.ts'
import type { IsolationStage } from './stage.ts'
import type { SurveyedObject, SurveyedTable } from './survey.ts'
import type { TableTarget } from './target.ts'

/** What an attack works on. */
export type AttackDoor = 'SQL' | 'HTTP' | 'resource'

/** What came of an attempt. `unreached` proves nothing, and says why. */
export type Verdict =
  | { readonly outcome: 'held' }
  | { readonly outcome: 'breached'; readonly detail: string }
  | { readonly outcome: 'unreached'; readonly detail: string }

export const held: Verdict = Object.freeze({ outcome: 'held' })

export function breached(detail: string): Verdict {
  return { outcome: 'breached', detail }
}

export function unreached(detail: string): Verdict {
  return { outcome: 'unreached', detail }
}

/** Words of every attack, whatever its door. */
export interface AttackWords {
  /** Unique, and stable from release to release: `read.every-row`. */
  readonly id: string
  /** What is tried, in words. */
  readonly tries: string
}

/** A statement of an attacker, with its values or in plain text. */
export type Statement = string | { readonly text: string; readonly values: readonly unknown[] }

/** A change that takes down what an attack should have been stopped by. SQL, as the superuser, in a database of its own. */
export interface Mutation {
  readonly what: string
  /** Run before the stage is set: makes what is then found. */
  readonly before?: ((tables: readonly SurveyedTable[]) => readonly string[]) | undefined
  /** Run when it is set. Undefined where the change cannot be made to this table. */
  readonly after?: ((target: TableTarget, stage: IsolationStage) => readonly string[] | undefined) | undefined
  /** Where the change reaches beyond the database: what takes it back. */
  readonly undo?: readonly string[] | undefined
}

/** One attempt: statements, and what counts beside the victim's values being shown and its rows being changed. */
export interface Attempt {
  readonly statements: readonly Statement[]
  /** What is bound first: the attacker's own capability, none, or this text. Default own. */
  readonly capability?: { readonly none: true } | { readonly forged: string } | undefined
  /** Committed? Else it is rolled back. */
  readonly commits?: boolean | undefined
  /** SQLSTATEs that are a refusal of this attempt beside the usual ones. */
  readonly refusals?: readonly string[] | undefined
  /** SQLSTATEs that tell what must not be told. */
  readonly tells?: readonly string[] | undefined
  /** Nothing may be found or touched by the last statement. */
  readonly findsNothing?: boolean | undefined
  /** It must fail: that it succeeds is a breach. */
  readonly isForbidden?: boolean | undefined
  /** The same with a value that nobody has: what comes of it must be the same. */
  readonly control?: readonly Statement[] | undefined
  /** Values that may differ between the two. Ids always may. */
  readonly hides?: readonly string[] | undefined
  /** What else is a breach. @returns what was learned, or undefined. */
  readonly judge?: ((loot: Loot) => string | undefined) | undefined
}

/** On what an attack in SQL is tried: each table or object of that kind, or once. */
export type SqlGround = 'protected' | 'global' | 'forgotten' | 'partition' | 'view' | 'function' | 'sequence' | 'once'

/** An attack in SQL. */
export interface SqlAttack extends AttackWords {
  readonly on: SqlGround
  /** @returns a text that says why it cannot be tried on this table or object. */
  plan(target: TableTarget, stage: IsolationStage, object: SurveyedObject): Attempt | string
  readonly mutation: Mutation
}
