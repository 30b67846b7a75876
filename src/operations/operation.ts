// What an operation is: a kind, a checked input, and steps in their order. Everything that makes it survive a kill is in the
// runner and the journal; a step has to keep one promise: run again, it does no harm and comes to the same.

import type { Clock } from '../core/clock.ts'
import type { Json, TenantId } from '../core/tenant.ts'
import { InvalidInputError } from '../errors.ts'
import type { Operation } from './journal.ts'

/** What a step is given. */
export interface StepContext<Input> {
  readonly operation: Pick<Operation, 'id' | 'kind' | 'actor' | 'reason' | 'attempt' | 'createdAt' | 'steps'>
  readonly tenantId: TenantId
  readonly input: Input
  /** What earlier steps returned, by their names. */
  readonly outputs: Readonly<Record<string, Json>>
  /** Fires when the lease is lost or the caller gives up. What the step does after that may be done by another too. */
  readonly signal: AbortSignal
  readonly clock: Clock
  /** Tells whoever watches. It is not written down. */
  progress(message: string): void
  /** Gives the starter of the operation something that must not be written down, such as the text of a key. */
  handOut(name: string, text: string): void
}

/** A step that does something. */
export interface WorkStep<Input> {
  readonly name: string
  /** One sentence for the dry run. */
  readonly describe: string
  /** Once this step has begun the operation can only go forward. */
  readonly isFinal?: boolean | undefined
  /** So quick to repeat that it is written down together with the next one. */
  readonly isLight?: boolean | undefined
  /** May be run again at any time. @returns what later steps need, without secrets. */
  run(context: StepContext<Input>): Promise<Json | undefined>
  /** Asked before a step that may have been run already. */
  isDone?(context: StepContext<Input>): Promise<boolean>
}

/** A step that lets time pass, by the journal's clock. */
export interface WaitStep {
  readonly name: string
  readonly describe: string
  /** 0: not at all. */
  readonly waitMs: number
}

export type OperationStep<Input> = WorkStep<Input> | WaitStep

/** A kind of operation. One file each. */
export interface OperationDefinition<Input> {
  readonly kind: string
  /** Operations for which a failed one of this kind is given up: they do not trip over what it left. Others wait for a person. */
  readonly givesWayTo: 'all' | readonly string[]
  /** A refusal (an error of the caller's that no retry mends) undoes the operation at once, instead of leaving it failed. */
  readonly undoesRefusals: boolean
  /** Reads the input: of a caller, or of the journal. @throws {InvalidInputError} */
  parse(input: unknown): Input
  steps(input: Input): readonly OperationStep<Input>[]
  /** What takes back whatever the steps may have done, in order. */
  undo(input: Input): readonly WorkStep<Input>[]
}

/** A step as the dry run tells it. */
export interface PlannedStep {
  readonly name: string
  readonly description: string
  /** Of a step that waits. */
  readonly waitMs?: number
}

/** What an operation would do, in order. */
export function planOf<Input>(definition: OperationDefinition<Input>, input: Input): readonly PlannedStep[] {
  return definition.steps(input).map((step) => ({
    name: step.name,
    description: step.describe,
    ...(isWait(step) && { waitMs: step.waitMs }),
  }))
}

export function isWait<Input>(step: OperationStep<Input>): step is WaitStep {
  return 'waitMs' in step
}

/** The names of the steps after whose beginning there is no way back. */
export function finalStepsOf<Input>(definition: OperationDefinition<Input>, input: Input): readonly string[] {
  return definition.steps(input).flatMap((step) => (!isWait(step) && step.isFinal === true ? step.name : []))
}

/** The fields of an input that may be there, and no others: a misspelt option is not silently ignored. @throws {InvalidInputError} */
export function fieldsOf(input: unknown, names: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) throw new InvalidInputError('The input is not an object.')
  const stranger = Object.keys(input).find((name) => !names.includes(name))
  if (stranger !== undefined) {
    throw new InvalidInputError(`The input has ${JSON.stringify(stranger.slice(0, 64))}; it may have ${names.join(', ') || 'nothing'}.`)
  }
  return input as Readonly<Record<string, unknown>>
}
