// What operations tell of themselves, as the terminal shows it.

import type { OperationListener } from '../operations/operation-event.ts'
import type { Progress } from './progress.ts'

/**
 * A listener for an operation, or for many: steps are counted, since nobody knows how many there will be. A step that waits is
 * done for now.
 */
export function operationProgress(progress: Progress, label: string): OperationListener {
  let done = 0
  progress.start(0, label)
  return (event) => {
    if (event.kind === 'progress') return progress.advance({ note: event.message })
    const { operationKind: operation, tenantId: tenant, step, message } = event
    const state = event.state === 'waiting' ? 'done' : event.state
    // Why a step failed, the error says that ends the command.
    progress.event({ kind: 'step', operation, tenant, step, state, ...(message !== undefined && { message }) })
    if (state === 'done') done += 1
    progress.advance({ done })
  }
}
