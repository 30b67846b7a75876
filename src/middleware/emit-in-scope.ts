// What a request of Node's and its answer tell (data, drain, close) comes in the context of the socket, which serves one tenant after another.

import type { EventEmitter } from 'node:events'
import type { Admission } from './http.ts'

/** Listeners hear in the scope, whatever the context in which the socket has news. */
export function emitInScope(emitter: EventEmitter, { enter }: Admission): void {
  const emit = emitter.emit
  emitter.emit = function emitted(this: EventEmitter, ...args: Parameters<typeof emit>): boolean {
    let wasHeard = false
    enter(() => {
      wasHeard = emit.apply(this, args)
    })
    return wasHeard
  }
}
