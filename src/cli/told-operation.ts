// An operation as it is printed: what it would do, and how it stands.

import type { Operation } from '../operations/journal.ts'
import type { PlannedStep } from '../operations/operation.ts'
import type { OperationReport } from '../operations/operations.ts'
import type { Output } from './output.ts'

/** The steps of a dry run, in their order. */
export async function tellPlan(output: Output, plan: readonly PlannedStep[]): Promise<void> {
  await output.table(plan, { STEP: ({ name }) => name, 'WOULD BE DONE': ({ description }) => description })
}

/** In a few words; its steps are told apart. */
export function toldOperation(operation: Operation): object {
  const { id, kind, tenantId, state, cancelling, actor, reason, error, wakeAt, createdAt, finishedAt } = operation
  return withoutUndefined({
    id,
    kind,
    tenantId,
    state: cancelling && state !== 'cancelled' ? `${state}, being undone` : state,
    by: `${actor.kind} ${actor.id}`,
    reason: reason || undefined,
    error: error && `${error.step}: ${error.message} (${error.code})`,
    wakeAt: wakeAt?.toISOString(),
    createdAt: createdAt.toISOString(),
    finishedAt: finishedAt?.toISOString(),
  })
}

/** How an operation that has just been worked on stands; after a dry run, what it would do. */
export async function tellReport(output: Output, { plan, operation, handedOut }: OperationReport): Promise<void> {
  if (operation === undefined) return await tellPlan(output, plan)
  output.record({ ...toldOperation(operation), ...handedOut })
}

function withoutUndefined(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
