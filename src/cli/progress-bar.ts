// Progress on a terminal: one line that is drawn again and again, below what is printed meanwhile.

import type { Clock } from '../core/clock.ts'
import type { Progress } from './progress.ts'
import { durationText, rateText, summaryText, Tally } from './progress-tally.ts'
import type { Terminal } from './verb.ts'

/** Smooth to the eye, and nothing to the machine. Drawn by a timer, so that time runs on while the work is stuck. */
const drawEveryMs = 200
const barWidthMax = 30
const barWidthMin = 5

export function progressBar(terminal: Terminal, clock: Clock): Progress {
  const tally = new Tally(clock)
  let timer: NodeJS.Timeout | undefined
  const draw = (): void => terminal.draw(lineText(tally, terminal.columns))
  return {
    start(total, label) {
      tally.start(total, label)
      clearInterval(timer)
      timer = setInterval(draw, drawEveryMs)
      timer.unref()
      draw()
    },
    advance: (given) => tally.advance(given),
    finish() {
      if (!tally.isStarted) return
      clearInterval(timer)
      tally.isStarted = false
      terminal.draw('')
      terminal.note(summaryText(tally))
    },
    event: (event) => tally.take(event, terminal),
  }
}

/** `[=====     ]`: so much of it is full. */
export function barText(width: number, part: number): string {
  const filled = Math.max(0, Math.min(width, Math.floor(width * part)))
  return `[${'='.repeat(filled)}${' '.repeat(width - filled)}]`
}

/** Never wider than the terminal: a line that wraps cannot be drawn over. */
function lineText(tally: Tally, columns: number): string {
  const [rate, left] = [tally.ratePerSec(), tally.secondsLeft()]
  const settled = tally.done + tally.failed
  const facts = [
    tally.total > 0 ? `${settled}/${tally.total}` : String(settled),
    rate !== undefined && rateText(rate),
    left !== undefined ? `${durationText(left)} left` : durationText(tally.elapsedSec()),
    tally.failed > 0 && `${tally.failed} failed`,
    tally.running > 0 && `${tally.running} running`,
    tally.note !== '' && tally.note,
  ].filter((fact) => fact !== false)
  const text = facts.join('  ')
  const room = columns - 1 - tally.label.length - text.length - 4
  const width = tally.total > 0 ? Math.max(barWidthMin, Math.min(barWidthMax, room)) : 0
  const bar = width > 0 ? `${barText(width, settled / tally.total)} ` : ''
  return `${tally.label} ${bar}${text}`.slice(0, Math.max(0, columns - 1))
}
