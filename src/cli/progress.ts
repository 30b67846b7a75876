// How far long work is, for whoever watches: a bar on a terminal, a line now and then where output is kept, JSON for machines.

import type { Clock } from '../core/clock.ts'
import type { OperationEvent } from '../core/operation-event.ts'
import { progressBar } from './progress-bar.ts'
import { progressJson } from './progress-json.ts'
import { progressLines } from './progress-lines.ts'
import type { Terminal } from './verb.ts'

/** Counts, not differences: a caller who repeats itself does no harm. Absent counts stay as they are. */
export interface Advance {
  readonly done?: number | undefined
  /** Not among `done`. */
  readonly failed?: number | undefined
  /** Being worked on at this moment. */
  readonly running?: number | undefined
  /** What is being done, in a few words: it stands at the end of the bar. */
  readonly note?: string | undefined
}

/** Nothing is shown before `start`; `finish` leaves the last state as a line. Both may be called twice. */
export interface Progress {
  /** @param total how much there is to do; 0 when nobody knows. */
  start(total: number, label: string): void
  advance(advance: Advance): void
  finish(): void
  /** What an operation emits. Failed steps are named, the first ten of them, started or not. */
  event(event: OperationEvent): void
}

interface ProgressOptions {
  readonly terminal: Terminal
  readonly isJson: boolean
  readonly clock: Clock
}

/** The one that suits the terminal. */
export function openProgress({ terminal, isJson, clock }: ProgressOptions): Progress {
  if (isJson) return progressJson(terminal)
  // A CI may lend a terminal to its jobs, but what it keeps is lines.
  return terminal.isTerminal && !terminal.env['CI'] ? progressBar(terminal, clock) : progressLines(terminal, clock)
}
