// Progress as each kind of watcher sees it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openProgress } from '../../src/cli/progress.ts'
import type { OperationEvent } from '../../src/core/operation-event.ts'
import { parseTenantId } from '../../src/core/tenant.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { recordedTerminal } from '../support/terminal.ts'

const tenant = parseTenantId('0198b5e0-0000-7000-8000-000000000001')
const failure = (message: string): OperationEvent => ({
  kind: 'step',
  operation: 'migrate',
  tenant,
  step: '0007',
  state: 'failed',
  message,
})
const at = (done: number, failed = 0): OperationEvent => ({ kind: 'progress', done, total: 1_000, failed, running: 4 })

test('on a terminal it is one line with rate, time left and failures, never wider than the terminal', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const clock = new ManualClock()
  for (const columns of [120, 60, 20]) {
    const terminal = recordedTerminal({ isTerminal: true, columns })
    const progress = openProgress({ terminal, isJson: false, clock })
    progress.start(1_000, 'migrate')
    progress.event(at(0))
    clock.advance(1_000)
    progress.event(at(90, 10))
    t.mock.timers.tick(1_000)
    const line = terminal.drawn.at(-1)!
    assert.ok(
      terminal.drawn.every((text) => text.length < columns),
      line,
    )
    if (columns === 120) assert.match(line, /^migrate \[={3} {27}\] 100\/1000 {2}100\/s {2}9 s left {2}10 failed {2}4 running$/)
    progress.finish()
    assert.equal(terminal.drawn.at(-1), '', 'nothing is left behind')
    assert.match(terminal.err.at(-1)!, /^migrate: 90 of 1000 done, 10 failed, in 1 s$/)
    assert.deepEqual(terminal.out, [])
  }
})

test('a failed tenant is named with its reason, the first ten of them, and cannot command the terminal', () => {
  const terminal = recordedTerminal()
  const progress = openProgress({ terminal, isJson: false, clock: new ManualClock() })
  progress.start(1_000, 'migrate')
  for (let at = 0; at < 50; at++) progress.event(failure(`lock \u001B[2Jtimeout ${at}`))
  const named = terminal.err.filter((line) => line.startsWith('failed: migrate 0198b5e0'))
  assert.equal(named.length, 10)
  assert.doesNotMatch(terminal.err.join(''), /\p{Cc}/u)
  assert.equal(terminal.err.length, 12, 'the start, ten failures, and that there are more')
})

test('in a pipe it is a line now and then, however many events there are', () => {
  const clock = new ManualClock()
  const terminal = recordedTerminal()
  const progress = openProgress({ terminal, isJson: false, clock })
  progress.start(1_000, 'migrate')
  for (let done = 0; done <= 1_000; done++) {
    progress.event(at(done))
    clock.advance(10)
  }
  progress.finish()
  progress.finish()
  assert.deepEqual(terminal.err, [
    'migrate: 1000 to do',
    'migrate: 500/1000, 100/s, 5 s left',
    'migrate: 1000/1000, 100/s, 0 s left',
    'migrate: 1000 of 1000 done, in 10 s',
  ])
  assert.deepEqual([terminal.out, terminal.drawn], [[], []])
})

test('a CI that lends a terminal gets lines all the same', () => {
  const terminal = recordedTerminal({ isTerminal: true, env: { CI: 'true' } })
  openProgress({ terminal, isJson: false, clock: new ManualClock() }).start(10, 'migrate')
  assert.deepEqual([terminal.drawn, terminal.err], [[], ['migrate: 10 to do']])
})

test('for machines it is every event, as it came, on standard output', () => {
  const terminal = recordedTerminal({ isTerminal: true })
  const progress = openProgress({ terminal, isJson: true, clock: new ManualClock() })
  const events = [at(1), failure('no'), at(1, 1)]
  for (const event of events) progress.event(event)
  assert.deepEqual(
    terminal.out.map((line) => JSON.parse(line)),
    events,
  )
  progress.start(5, 'onboard')
  progress.advance({ done: 2, note: 'seeds' })
  progress.finish()
  assert.deepEqual(JSON.parse(terminal.out.at(-1)!), {
    kind: 'progress',
    done: 2,
    total: 5,
    failed: 0,
    running: 0,
    label: 'onboard',
    note: 'seeds',
  })
  assert.deepEqual([terminal.err, terminal.drawn], [[], []])
})

test('a resumed run counts its own speed, not what an earlier one has done', () => {
  const clock = new ManualClock()
  const terminal = recordedTerminal()
  const progress = openProgress({ terminal, isJson: false, clock })
  progress.start(1_000, 'migrate')
  progress.event(at(900))
  clock.advance(10_000)
  progress.event(at(910))
  assert.match(terminal.err.at(-1)!, /910\/1000, 1\.0\/s, 1 min 30 s left/)
})
