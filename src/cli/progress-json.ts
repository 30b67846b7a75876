// Progress for machines: every event on standard output, as it came.

import type { OperationEvent } from '../core/operation-event.ts'
import { printable } from './columns.ts'
import type { Progress } from './progress.ts'
import type { Terminal } from './verb.ts'

/** Nothing is left out or bounded: whoever asked for JSON counts for himself. */
export function progressJson(terminal: Terminal): Progress {
  const print = (event: OperationEvent | { readonly kind: string }): void => terminal.print(printable(JSON.stringify(event)))
  let state = { done: 0, total: 0, failed: 0, running: 0 }
  let label: string | undefined
  const tell = (note?: string): void => print({ kind: 'progress', ...state, ...(label && { label }), ...(note && { note }) })
  return {
    start(total, name) {
      label = name
      state = { done: 0, total, failed: 0, running: 0 }
      tell()
    },
    advance({ done = state.done, failed = state.failed, running = state.running, note }) {
      state = { ...state, done, failed, running }
      tell(note)
    },
    finish() {},
    event: print,
  }
}
