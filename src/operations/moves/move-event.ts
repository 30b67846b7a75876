// What a move tells while it goes on: plain objects, for a terminal, a log line or a stream of JSON.

import type { Move, MoveProgress, MoveState } from '../../core/move.ts'

interface EventOfMove {
  readonly move: string
  readonly tenantId: string
  /** ISO 8601. */
  readonly at: string
}

export type MoveEvent =
  | (EventOfMove & { readonly kind: 'state'; readonly state: MoveState; readonly serving: Move['serving'] })
  | (EventOfMove & { readonly kind: 'progress'; readonly progress: MoveProgress })
  | (EventOfMove & { readonly kind: 'waiting'; readonly message: string })
  /** The tenant's writes paused for so long, in milliseconds; `ended` transactions were ended for it. */
  | (EventOfMove & { readonly kind: 'pause'; readonly pauseMs: number; readonly ended: number; readonly isSwitch: boolean })
  | (EventOfMove & { readonly kind: 'problem'; readonly code: string; readonly message: string })

type Without<Event, Keys extends PropertyKey> = Event extends unknown ? Omit<Event, Keys> : never

/** What happened, without of which move and when. */
export type MoveNews = Without<MoveEvent, keyof EventOfMove>

/** Told of events as they happen. It has no say: what it throws is dropped. */
export type MoveListener = (event: MoveEvent) => void
