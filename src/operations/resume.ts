// resume: a suspended tenant is let in again.

import { mark, note, restore, setGate } from './gate-steps.ts'
import { fieldsOf, type OperationDefinition } from './operation.ts'
import { existing, type TenantLife } from './tenant-life.ts'

export type ResumeInput = Readonly<Record<never, never>>

export function resume(life: TenantLife): OperationDefinition<ResumeInput> {
  return {
    kind: 'resume',
    givesWayTo: ['suspend', 'resume', 'offboard'],
    undoesRefusals: true,
    parse: (input) => fieldsOf(input, []) as ResumeInput,
    // The catalog last: until then nobody is let in, whichever step a kill falls on.
    steps: () => [
      note(life),
      {
        name: 'open-gate',
        describe: 'Opens the tenant’s gate in its database.',
        run: async ({ tenantId }) => {
          await setGate(life, await existing(life, tenantId), 'open')
          return undefined
        },
      },
      mark(life, 'active'),
    ],
    undo: () => [restore(life)],
  }
}
