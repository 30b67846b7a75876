// suspend: the tenant's statements are refused by its database from one moment on, and those that run are ended.

import { closeGate, endStatements, mark, note, restore } from './gate-steps.ts'
import { fieldsOf, type OperationDefinition } from './operation.ts'
import type { TenantLife } from './tenant-life.ts'

export type SuspendInput = Readonly<Record<never, never>>

export function suspend(life: TenantLife): OperationDefinition<SuspendInput> {
  return {
    kind: 'suspend',
    givesWayTo: ['suspend', 'resume', 'offboard'],
    undoesRefusals: true,
    parse: (input) => fieldsOf(input, []) as SuspendInput,
    steps: () => [note(life), closeGate(life), mark(life, 'suspended'), endStatements(life)],
    undo: () => [restore(life)],
  }
}
