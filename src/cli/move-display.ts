// Moves while they go on: a bar for each table on a terminal, a line now and then where output is kept, every event for machines. It is
// told by events where this process does the work, and by what the catalog says where another one does.

import type { Clock } from '../core/clock.ts'
import { isOver, type Move, type MoveProgress, type MoveState } from '../core/move.ts'
import type { MoveEvent, MoveListener } from '../operations/moves/move-event.ts'
import { columns as inColumns, printable } from './columns.ts'
import { bytesText, countText, meaningOf, pauseText, placeText } from './move-words.ts'
import { barText } from './progress-bar.ts'
import { durationText } from './progress-tally.ts'
import type { Terminal } from './verb.ts'

export interface MoveDisplay {
  /** What this process does, as it happens. */
  readonly onProgress: MoveListener
  /** What the catalog says. */
  see(move: Move): void
  /** Takes away what was drawn. */
  finish(): void
}

interface Shown {
  tenant: string
  move: Pick<Move, 'state' | 'serving' | 'options' | 'source' | 'target' | 'wish' | 'problem' | 'notes'> | undefined
  state: MoveState | undefined
  serving: Move['serving'] | undefined
  generation: number | undefined
  progress: MoveProgress | undefined
  said: string
  saidAtMs: number
  /** Events tell of it: what the catalog says comes later, and is not said twice. */
  isOwn: boolean
}

const drawEveryMs = 200
/** As for other progress: a copy of ten minutes leaves 120 lines. */
const lineEveryMs = 5_000
/** Lines that are drawn, at most: a terminal cannot draw over what has scrolled away. */
const rowsMax = 15
const barWidth = 20

export interface MoveDisplayOptions {
  readonly terminal: Terminal
  readonly isJson: boolean
  readonly clock: Clock
  /** What people call a tenant. */
  readonly nameOf: (tenantId: string) => string
}

export function moveDisplay({ terminal, isJson, clock, nameOf }: MoveDisplayOptions): MoveDisplay {
  const isDrawn = !isJson && terminal.isTerminal && !terminal.env['CI']
  const shown = new Map<string, Shown>()
  const timer = isDrawn ? setInterval(() => terminal.draw(block([...shown.values()], terminal.columns)), drawEveryMs) : undefined
  timer?.unref()

  const of = (id: string, tenantId: string): Shown => {
    const found = shown.get(id) ?? { ...nobody, tenant: nameOf(tenantId) }
    shown.set(id, found)
    return found
  }
  const say = (one: Shown, text: string): void => {
    // Machines have the events themselves.
    if (isJson || one.said === text) return
    one.said = text
    terminal.note(printable(`${one.tenant}: ${text}`))
  }
  const tellState = (one: Shown): void => {
    if (one.state === undefined) return
    say(one, one.move === undefined ? one.state : `${one.state}. ${meaningOf({ ...one.move, state: one.state, serving: one.serving! })}`)
  }
  const tellProgress = (one: Shown): void => {
    if (isDrawn || one.state !== 'copying' || one.progress === undefined || clock.monotonic() - one.saidAtMs < lineEveryMs) return
    one.saidAtMs = clock.monotonic()
    say(one, progressText(one.progress))
  }

  function take(event: MoveEvent): void {
    const one = of(event.move, event.tenantId)
    one.isOwn = true
    if (isJson) terminal.print(printable(JSON.stringify(event)))
    if (event.kind === 'progress') {
      one.progress = event.progress
      tellProgress(one)
    } else if (event.kind !== 'state') {
      say(one, sentenceOf(event))
    } else if (one.state !== event.state || one.serving !== event.serving) {
      Object.assign(one, { state: event.state, serving: event.serving })
      tellState(one)
    }
  }

  return {
    onProgress: take,
    see(move) {
      const one = of(move.id, move.tenantId)
      const { state, serving, generation } = move
      one.move = move
      if (one.isOwn) return
      const isNew = one.state !== state || one.serving !== serving
      const isSwitched = one.generation !== undefined && one.generation !== generation && move.pauseMs !== undefined
      Object.assign(one, { state, serving, generation, progress: move.notes['progress'] ?? one.progress })
      const about = { move: move.id, tenantId: move.tenantId, at: move.updatedAt.toISOString() }
      if (isSwitched && isJson)
        terminal.print(JSON.stringify({ ...about, kind: 'pause', pauseMs: move.pauseMs, ended: null, isSwitch: true }))
      else if (isSwitched) say(one, pauseSentence({ pauseMs: move.pauseMs!, ended: 0, isSwitch: true }))
      if (isNew && isJson) terminal.print(JSON.stringify({ ...about, kind: 'state', state, serving }))
      else if (isNew) tellState(one)
      else tellProgress(one)
    },
    finish() {
      clearInterval(timer)
      if (isDrawn) terminal.draw('')
    },
  }
}

const nobody: Shown = {
  tenant: '',
  move: undefined,
  state: undefined,
  serving: undefined,
  generation: undefined,
  progress: undefined,
  said: '',
  saidAtMs: Number.NEGATIVE_INFINITY,
  isOwn: false,
}

function sentenceOf(event: Exclude<MoveEvent, { kind: 'progress' | 'state' }>): string {
  switch (event.kind) {
    case 'pause':
      return pauseSentence(event)
    case 'waiting':
      return event.message
    case 'problem':
      return `${event.message} (${event.code})`
  }
}

function pauseSentence({ pauseMs, ended, isSwitch }: { pauseMs: number; ended: number; isSwitch: boolean }): string {
  const why = isSwitch ? 'for the switch' : 'to compare'
  const victims = ended === 0 ? '' : `; ${ended} of its transactions were ended, to be tried again`
  return `its writes paused for ${pauseText(pauseMs)} ${why}${victims}`
}

/** All of it in a line. */
export function progressText({ tables, lagBytes, remainingMs, throttle }: MoveProgress): string {
  const ready = tables.filter(({ state }) => state === 'ready').length
  const sum = (of: (table: MoveProgress['tables'][number]) => number): number => tables.reduce((all, table) => all + of(table), 0)
  return [
    `${ready} of ${tables.length} tables`,
    `${countText(sum(({ rows }) => rows))} of about ${countText(sum(({ rowsTotal }) => rowsTotal))} rows`,
    bytesText(sum(({ bytes }) => bytes)),
    `${bytesText(lagBytes)} behind`,
    remainingMs !== undefined && `about ${durationText(remainingMs / 1_000)} left`,
    throttle?.isPaused === true && `held back for the neighbours (${throttle.ratio.toFixed(2)} times their latency)`,
  ]
    .filter((part) => part !== false)
    .join(', ')
}

function block(all: readonly Shown[], columns: number): string {
  const lines = all.filter(({ state }) => state !== undefined && !isOver(state)).flatMap((one) => [headline(one), ...tableLines(one)])
  const bounded = lines.length > rowsMax ? [...lines.slice(0, rowsMax - 1), `… ${lines.length - rowsMax + 1} more`] : lines
  return bounded.map((line) => printable(line).slice(0, Math.max(0, columns - 1))).join('\n')
}

function headline({ tenant, move, state, progress }: Shown): string {
  const way = move === undefined ? '' : `  ${placeText(move.source)} → ${placeText(move.target)}`
  const facts = progress === undefined || state !== 'copying' ? '' : `  ${progressText(progress)}`
  return `${tenant}${way}  ${state ?? ''}${facts}`
}

/** A bar for each table, while there is something to see. */
function tableLines({ state, progress }: Shown): readonly string[] {
  if (state !== 'copying' || progress === undefined) return []
  return inColumns(
    progress.tables.map(({ name, state: of, rows, rowsTotal, bytes }) => [
      `  ${name}`,
      barText(barWidth, of === 'ready' ? 1 : rowsTotal > 0 ? rows / rowsTotal : 0),
      of === 'waiting' ? 'waiting' : `${countText(rows)} / ~${countText(rowsTotal)} rows`,
      of === 'copying' ? bytesText(bytes) : of === 'ready' ? 'ready' : '',
    ]),
  )
}
