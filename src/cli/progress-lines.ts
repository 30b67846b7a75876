// Progress where output is kept: a pipe, a log, a CI. A line at a bounded rate, and failures by name.

import type { Clock } from '../core/clock.ts'
import type { Progress } from './progress.ts'
import { durationText, rateText, summaryText, Tally } from './progress-tally.ts'
import type { Terminal } from './verb.ts'

/** A run of ten minutes leaves 120 lines, whatever it works on. */
const lineEveryMs = 5_000

export function progressLines(terminal: Terminal, clock: Clock): Progress {
  const tally = new Tally(clock)
  let saidMs = 0
  const say = (): void => {
    if (!tally.isStarted || clock.monotonic() - saidMs < lineEveryMs) return
    saidMs = clock.monotonic()
    terminal.note(lineText(tally))
  }
  return {
    start(total, label) {
      tally.start(total, label)
      saidMs = clock.monotonic()
      terminal.note(total > 0 ? `${tally.label}: ${total} to do` : tally.label)
    },
    advance(given) {
      tally.advance(given)
      say()
    },
    finish() {
      if (tally.isStarted) terminal.note(summaryText(tally))
      tally.isStarted = false
    },
    event(event) {
      tally.take(event, terminal)
      say()
    },
  }
}

function lineText(tally: Tally): string {
  const [rate, left] = [tally.ratePerSec(), tally.secondsLeft()]
  const parts = [
    `${tally.label}: ${tally.done}${tally.total > 0 ? `/${tally.total}` : ''}`,
    tally.failed > 0 && `${tally.failed} failed`,
    rate !== undefined && rateText(rate),
    left !== undefined && `${durationText(left)} left`,
  ]
  return parts.filter((part) => part !== false).join(', ')
}
