// Moves in words and pictures, for each kind of watcher.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type MoveDisplayOptions, moveDisplay } from '../../src/cli/move-display.ts'
import { moveLines } from '../../src/cli/move-plane.ts'
import { bytesText, meaningOf, nextTexts, remedyOf } from '../../src/cli/move-words.ts'
import { type Move, type MoveProgress, moveStates, refusalOf } from '../../src/core/move.ts'
import { parseTenantId } from '../../src/core/tenant.ts'
import type { MoveNews } from '../../src/operations/moves/move-event.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { type RecordedTerminal, recordedTerminal } from '../support/terminal.ts'

const tenantId = parseTenantId('0198b5e0-0000-7000-8000-000000000001')
const progress: MoveProgress = {
  tables: [
    { name: 'documents', state: 'copying', rows: 52_310, rowsTotal: 100_000, bytes: 12_400_000 },
    { name: 'users', state: 'ready', rows: 1_204, rowsTotal: 1_204, bytes: 90_000 },
    { name: 'votes', state: 'waiting', rows: 0, rowsTotal: 12, bytes: 0 },
  ],
  lagBytes: 1_234,
  remainingMs: 12_000,
  throttle: { isPaused: true, ratio: 1.31 },
}
const moveOf = (over: Partial<Move> = {}): Move => ({
  id: '0198b5e0-0000-7000-8000-00000000000a',
  tenantId,
  state: 'copying',
  serving: 'source',
  generation: 1,
  source: { isolation: 'pooled', server: 'main', database: 'main', schema: 'app' },
  target: { isolation: 'server', server: 'pg-7', database: 'pw_1', schema: 'app' },
  wish: undefined,
  options: {},
  notes: {},
  fence: 0,
  verifiedAt: undefined,
  pauseMs: undefined,
  problem: undefined,
  actor: { kind: 'staff', id: 'ada' },
  reason: 'contract 4711',
  attempt: 1,
  createdAt: new Date(0),
  updatedAt: new Date(0),
  finishedAt: undefined,
  ...over,
})

function shown(terminal: RecordedTerminal, over: Partial<MoveDisplayOptions> = {}) {
  const clock = new ManualClock()
  const display = moveDisplay({ terminal, isJson: false, clock, nameOf: () => 'acme', ...over })
  const tell = (news: MoveNews) => display.onProgress({ ...news, move: moveOf().id, tenantId, at: '2026-01-01T00:00:00.000Z' } as never)
  return { display, tell, clock }
}

test('every state says what it means for the tenant, and none claims that it is served where it is not', () => {
  for (const serving of ['source', 'target'] as const) {
    for (const state of moveStates) {
      for (const wish of [undefined, 'verify'] as const) {
        const text = meaningOf(moveOf({ state, serving, wish }))
        assert.match(text, /^[A-Z].*\.$/, state)
        if (state === 'following') assert.match(text, serving === 'source' ? /at the source/ : /^The target serves/)
        if (state === 'following' && wish !== undefined) assert.match(text, /asked to verify/)
      }
    }
  }
  const auto = { options: { auto: true } }
  assert.match(meaningOf(moveOf({ state: 'following', ...auto })), /switches by itself/)
  assert.match(meaningOf(moveOf({ state: 'following', serving: 'target', ...auto })), /completes by itself/)
})

test('every verb that would be taken is named as a command that can be pasted', () => {
  const verbs = ['verify', 'switch', 'reverse', 'complete', 'cancel'] as const
  const next = (over: Partial<Move>) =>
    nextTexts(
      verbs.filter((verb) => refusalOf(verb, moveOf(over)) === undefined),
      'acme',
    ).map(([command]) => command)
  assert.deepEqual(next({ state: 'following' }), ['partywall move verify acme', 'partywall move switch acme', 'partywall move cancel acme'])
  assert.deepEqual(next({ state: 'following', serving: 'target' }), [
    'partywall move verify acme',
    'partywall move reverse acme',
    'partywall move complete acme',
  ])
  assert.deepEqual(next({ state: 'done' }), [])
})

test('a status says where it is, how long the pause was, what is wrong and what to do', () => {
  const problem = { code: 'PW_MOVE_FENCE_EXPIRED', message: 'The fence was given up at its deadline.' }
  const move = moveOf({ state: 'following', pauseMs: 31.4, problem, notes: { progress: progress as never } })
  assert.match(moveLines({ move: { ...move, state: 'copying' }, next: [] }, 'acme').join('\n'), /copied +1 of 3 tables/)
  const text = moveLines({ move, next: ['switch', 'cancel'] }, 'acme').join('\n')
  assert.match(text, /^acme: following, served at the source: pooled on main$/m)
  assert.match(text, /way +pooled on main → server on pg-7$/m)
  assert.match(text, /asked by +staff ada: contract 4711$/m)
  assert.match(text, /behind +1\.2 kB of the log/)
  assert.match(text, /last pause +31 ms/)
  assert.match(text, /^Problem: The fence was given up at its deadline. \(PW_MOVE_FENCE_EXPIRED\)$/m)
  assert.match(text, /^What to do: Nothing is lost: .* Switch again/m)
  assert.match(text, /^ {2}partywall move switch acme +lets the target serve/m)
  const over = moveLines({ move: moveOf({ state: 'done', serving: 'target', finishedAt: new Date(0) }), next: [] }, 'acme').join('\n')
  assert.doesNotMatch(over, /Problem|What can be done/)
})

test('a difference is met with other advice before the switch than after it', () => {
  const problem = { code: 'PW_MOVE_DIFFERS', message: 'differs' }
  assert.match(remedyOf(problem, { state: 'following', serving: 'source' }), /source.*true ones.*cancel the move/)
  assert.match(remedyOf(problem, { state: 'following', serving: 'target' }), /before anything is removed/)
  const failed = { code: 'PW_MOVE_FAILED', message: 'no' }
  assert.match(remedyOf(failed, { state: 'copying', serving: 'source' }), /goes on by itself/)
  assert.match(remedyOf(failed, { state: 'following', serving: 'source' }), /ask again/)
})

test('on a terminal there is a bar for each table, never wider than the terminal, and nothing is left behind', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  for (const columns of [120, 40]) {
    const terminal = recordedTerminal({ isTerminal: true, columns })
    const { display, tell } = shown(terminal)
    display.see(moveOf())
    tell({ kind: 'progress', progress })
    t.mock.timers.tick(200)
    const lines = terminal.drawn.at(-1)!.split('\n')
    assert.ok(lines.every((line) => line.length < columns))
    if (columns === 120) {
      assert.match(lines[0]!, /^acme {2}pooled on main → server on pg-7 {2}copying {2}1 of 3 tables/)
      assert.deepEqual(lines.slice(1), [
        '  documents  [==========          ]  52,310 / ~100,000 rows  12.4 MB',
        '  users      [====================]  1,204 / ~1,204 rows     ready',
        '  votes      [                    ]  waiting',
      ])
    }
    display.finish()
    assert.equal(terminal.drawn.at(-1), '')
  }
})

test('in a pipe it is a line for each state, for the pause and for problems, and one now and then for the copy', () => {
  const terminal = recordedTerminal()
  const { display, tell, clock } = shown(terminal)
  tell({ kind: 'state', state: 'copying', serving: 'source' })
  for (let at = 0; at < 20; at++) {
    tell({ kind: 'progress', progress: { ...progress, lagBytes: at } })
    clock.advance(1_000)
  }
  tell({ kind: 'pause', pauseMs: 31.4, ended: 2, isSwitch: true })
  tell({ kind: 'problem', code: 'PW_MOVE_FAILED', message: 'It \u001B[2Jfailed.' })
  display.finish()
  assert.deepEqual(terminal.err.length, 7)
  assert.equal(
    terminal.err[1],
    'acme: 1 of 3 tables, 53,514 of about 101,216 rows, 12.5 MB, 0 B behind, about 12 s left, held back for the neighbours (1.31 times their latency)',
  )
  assert.equal(terminal.err[5], 'acme: its writes paused for 31 ms for the switch; 2 of its transactions were ended, to be tried again')
  assert.equal(terminal.err[6], 'acme: It \\u001b[2Jfailed. (PW_MOVE_FAILED)')
})

test('for machines it is every event as it came', () => {
  const terminal = recordedTerminal({ isTerminal: true })
  const { display, tell } = shown(terminal, { isJson: true })
  tell({ kind: 'state', state: 'copying', serving: 'source' })
  tell({ kind: 'progress', progress })
  display.see(moveOf())
  display.finish()
  assert.deepEqual(
    terminal.out.map((line) => JSON.parse(line).kind),
    ['state', 'progress'],
  )
  assert.deepEqual([terminal.err, terminal.drawn], [[], []])
})

test('a move that another process drives is told from the catalog, with the same states and the pause', () => {
  for (const isJson of [false, true]) {
    const terminal = recordedTerminal()
    const { display } = shown(terminal, { isJson })
    display.see(moveOf({ state: 'following' }))
    display.see(moveOf({ state: 'following' }))
    display.see(moveOf({ state: 'turning', serving: 'target', generation: 2, pauseMs: 24 }))
    display.see(moveOf({ state: 'done', serving: 'target', generation: 2, pauseMs: 24 }))
    if (isJson) {
      const told = terminal.out.map((line) => JSON.parse(line)).map(({ kind, state, pauseMs }) => [kind, state ?? pauseMs])
      assert.deepEqual(told, [
        ['state', 'following'],
        ['pause', 24],
        ['state', 'turning'],
        ['state', 'done'],
      ])
    } else {
      const begins = [
        'acme: following. Its rows',
        'acme: its writes paused for 24 ms for',
        'acme: turning. The target',
        'acme: done. It is over',
      ]
      assert.deepEqual(
        terminal.err.map((line, at) => line.slice(0, begins[at]?.length)),
        begins,
      )
    }
  }
})

test('bytes have as many digits as mean something', () => {
  assert.deepEqual([0, 999, 1_200, 123_456, 5_000_000_000].map(bytesText), ['0 B', '999 B', '1.2 kB', '123 kB', '5.0 GB'])
})
