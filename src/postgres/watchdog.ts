// What stands over a statement or a transaction while it runs: its timeout where the server does not keep it, and its caller's signal.

import type { Clock } from '../core/clock.ts'
import { runOutside } from '../core/tenant-context.ts'
import { AbortedError, StatementTimeoutError } from '../errors.ts'
import type { Connection } from './connection.ts'

/** Time that the server has to report its own timeout, before the connection is cut. */
const timeoutGraceMs = 5_000

/** What stands over one statement. */
export interface Guard {
  readonly isAborted: boolean
  end(): void
}

/** What of a statement is watched. */
interface Watchable {
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

const watchEveryMs = 250

/** One statement, or one transaction, under watch. */
class Watched implements Guard {
  readonly connection: Connection
  readonly cutAt: number
  readonly reason: () => Error
  readonly isAborted = false
  readonly #watched: Set<Watched>

  constructor(watched: Set<Watched>, connection: Connection, cutAt: number, reason: () => Error) {
    this.#watched = watched
    this.connection = connection
    this.cutAt = cutAt
    this.reason = reason
    watched.add(this)
  }

  end(): void {
    this.#watched.delete(this)
  }
}

/**
 * Cuts connections whose statement outstays its timeout without the server saying so (a dead network, a frozen server), and
 * those whose caller aborts. One timer for all: the number under watch is bounded by the pool.
 */
export class Watchdog {
  readonly #clock: Clock
  readonly #watched = new Set<Watched>()
  #timer: NodeJS.Timeout | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  guard(connection: Connection, options: Watchable, limitMs: number): Guard {
    const { signal } = options
    const timeoutMs = Math.min(options.timeoutMs ?? limitMs, limitMs)
    const watch = this.watch(
      connection,
      this.#clock.monotonic() + timeoutMs + timeoutGraceMs,
      () =>
        new StatementTimeoutError(
          `The database did not answer within ${timeoutMs} ms, nor within the ${timeoutGraceMs} ms after. The connection was cut.`,
        ),
    )
    if (signal === undefined) return watch
    const abort = (): void => void connection.cancelAndDestroy(aborted(signal))
    signal.addEventListener('abort', abort, { once: true })
    return {
      isAborted: signal.aborted,
      end: () => {
        signal.removeEventListener('abort', abort)
        watch.end()
      },
    }
  }

  /** Cuts the connection at `cutAt` (monotonic), for the reason given, unless the watch has ended before. */
  watch(connection: Connection, cutAt: number, reason: () => Error): Guard {
    const watched = new Watched(this.#watched, connection, cutAt, reason)
    if (this.#timer === undefined) {
      // One timer for all: it must not keep the context of whoever came first.
      this.#timer = runOutside(() => setInterval(() => this.#look(), watchEveryMs))
      this.#timer.unref()
    }
    return watched
  }

  #look(): void {
    const now = this.#clock.monotonic()
    for (const watched of this.#watched) {
      if (watched.cutAt > now) continue
      watched.end()
      void watched.connection.cancelAndDestroy(watched.reason())
    }
    if (this.#watched.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }
}

export function aborted(signal: AbortSignal | undefined): AbortedError {
  return new AbortedError('The call was aborted by its signal.', { cause: signal?.reason })
}
