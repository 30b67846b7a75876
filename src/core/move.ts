// A move: a tenant on its way from one placement to another, while it is being served. What states there are, which verbs they
// allow, and in which order a switch takes its steps. No I/O is here: the driver (operations/moves/) walks this map, and the
// model that checks it (test/operations/moves/) walks the same one.
//
//   start                     switch                                              complete
//   planned ─► copying ─► following(source) ─► fencing ─► switched ─► turning ─► following(target) ─► finishing ─► done
//      │          │           │    ▲              │                                   │
//      └──────────┴───────────┤    └── given up ──┘     ◄── reverse: the same way ────┘
//                  cancel     ▼
//                        cancelling ─► cancelled
//
// `following`: one place serves the tenant, and replication keeps the other in step. `serving` says which. The switch is one
// transaction in the catalog, from `fencing` to `switched`: before it everything can be given up, after it everything goes on.

import type { Actor } from './actor.ts'
import type { Placement } from './placement.ts'
import type { Json, TenantId } from './tenant.ts'

/** Where a move stands. `done` and `cancelled` are the ends. */
export type MoveState =
  | 'planned'
  | 'copying'
  | 'following'
  | 'fencing'
  | 'switched'
  | 'turning'
  | 'finishing'
  | 'done'
  | 'cancelling'
  | 'cancelled'

/** In the order in which a move that goes well comes to them. */
export const moveStates: readonly MoveState[] = Object.freeze([
  'planned',
  'copying',
  'following',
  'fencing',
  'switched',
  'turning',
  'finishing',
  'done',
  'cancelling',
  'cancelled',
])

/** One of the two places of a move. */
export type MoveSide = 'source' | 'target'

/** What a person asks of a move after its start. */
export type MoveVerb = 'verify' | 'switch' | 'reverse' | 'complete' | 'cancel'

/** Something to be done to a move, and what went wrong, for people. */
export interface MoveProblem {
  readonly code: string
  readonly message: string
  readonly details?: Json
}

/** How far the copy has come. */
export interface MoveProgress {
  readonly tables: readonly {
    readonly name: string
    /** `copying` until replication has caught up with it. */
    readonly state: 'waiting' | 'copying' | 'ready'
    readonly rows: number
    /** As the statistics estimate them at the source. */
    readonly rowsTotal: number
    readonly bytes: number
  }[]
  /** Bytes of the log that the other side has not confirmed yet. */
  readonly lagBytes: number
  /** Until the copy is done, in milliseconds; undefined while it cannot be told. */
  readonly remainingMs?: number
  /** How the neighbours fare, and whether the copy is held back for them. */
  readonly throttle?: { readonly isPaused: boolean; readonly ratio: number }
}

export interface MoveOptions {
  /** switch, and complete after the soak, without being asked. Default false. */
  readonly auto?: boolean | undefined
  /** How long both places are kept in step after an automatic switch, in milliseconds. Default 3,600,000. */
  readonly soakMs?: number | undefined
  /** After which time the fence may be given up by anybody, in milliseconds. 250 to 60,000; default 2,000. */
  readonly fenceMs?: number | undefined
  /** How long a switch waits for the tenant's own open transactions before it ends them, in milliseconds. Default 300. */
  readonly drainMs?: number | undefined
  /** Hold the copy back when the neighbours' latency grows past this ratio. Default 1.25; 0 for never. */
  readonly throttleRatio?: number | undefined
}

/** A move, as the catalog has it. */
export interface Move {
  readonly id: string
  readonly tenantId: TenantId
  readonly state: MoveState
  readonly serving: MoveSide
  /** Grows with each switch. */
  readonly generation: number
  readonly source: Placement
  readonly target: Placement
  /** What was asked and is not done yet. */
  readonly wish: MoveVerb | undefined
  readonly options: MoveOptions
  /** What steps remember, and what is shown: `progress`, `verified`, names. */
  readonly notes: Readonly<Record<string, Json>>
  /** The number of the last fence. */
  readonly fence: number
  readonly verifiedAt: Date | undefined
  /** How long the tenant's writes paused at the last switch, in milliseconds, as the mover saw it. */
  readonly pauseMs: number | undefined
  readonly problem: MoveProblem | undefined
  readonly actor: Actor
  readonly reason: string
  readonly attempt: number
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly finishedAt: Date | undefined
}

/** The place that serves, and the one that is kept in step. */
export function sidesOf(move: Pick<Move, 'serving' | 'source' | 'target'>): { readonly serving: Placement; readonly other: Placement } {
  return move.serving === 'source' ? { serving: move.source, other: move.target } : { serving: move.target, other: move.source }
}

export function isOver(state: MoveState): boolean {
  return state === 'done' || state === 'cancelled'
}

/** May this be asked now? @returns undefined when it may; otherwise what stands in the way and what can be done instead. */
export function refusalOf(verb: MoveVerb, { state, serving }: Pick<Move, 'state' | 'serving'>): string | undefined {
  if (isOver(state)) return `it is ${state}. Start another`
  switch (verb) {
    case 'verify':
      return state === 'following' ? undefined : `there is nothing to compare while it is ${state}. Wait until it is following`
    case 'switch':
      if (serving === 'target') return 'the tenant is served at the target already. Reverse it, or complete the move'
      return state === 'following' ? undefined : `it is ${state}. Wait until it is following`
    case 'reverse':
      if (serving === 'source') return 'the tenant is served at the source. Cancel the move instead'
      return state === 'following' ? undefined : `it is ${state}. Wait until it is following`
    case 'complete':
      if (serving === 'source') return 'the tenant is served at the source still. Switch first, or cancel the move'
      return state === 'following' ? undefined : `it is ${state}. Wait until it is following`
    case 'cancel':
      if (serving === 'target' || state === 'switched' || state === 'turning' || state === 'finishing')
        return 'the tenant is served at the target. Reverse the move first, then cancel it'
      return undefined
  }
}

/** The steps of a switch, in the order on which its safety rests. Each may be repeated; before `commit` each can be given up. */
export const switchSteps = Object.freeze([
  /** Catalog: `following` → `fencing`, with a new fence and its deadline. */
  'claim-fence',
  /** Serving place: new writes are asked to wait. */
  'announce',
  /** Serving place: waits for the writes in flight, closes the gate and writes the marker, in one transaction. */
  'close-gate',
  /** Other place: waits until the marker is there. Then everything from before it is there, and durable. */
  'drain',
  /** Catalog: `fencing` → `switched`, with the tenant's own row, in one transaction, unless the fence was given up. */
  'commit',
  /** The place that served: its gate is `moved`. Nobody reads there any more. */
  'retire',
  /** The place that serves now: checks the marker again, and opens its gate. Until here nobody could read there: clients may know it from before. */
  'open',
] as const)

export type SwitchStep = (typeof switchSteps)[number]
