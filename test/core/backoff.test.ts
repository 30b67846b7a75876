import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backoff } from '../../src/core/backoff.ts'
import { ManualClock } from '../support/manual-clock.ts'

test('after a failure nothing is tried for a pause, then one probe at a time', () => {
  const clock = new ManualClock()
  const backoff = new Backoff({ clock })
  assert.equal(backoff.mayTry, true)
  const cause = new Error('down')
  backoff.failed(backoff.start(), cause)
  assert.equal(backoff.mayTry, false)
  assert.equal(backoff.cause, cause)
  assert.equal(backoff.retryInMs, 250)
  clock.advance(250)
  assert.equal(backoff.mayTry, true)
  const probe = backoff.start()
  assert.equal(backoff.mayTry, false, 'a second one waits for the probe')
  backoff.abandoned(probe)
  assert.equal(backoff.mayTry, true)
  backoff.start()
  backoff.succeeded()
  assert.equal(backoff.mayTry, true)
  assert.equal(backoff.isWell, true)
})

test('the pause doubles with each probe that fails, up to its bound', () => {
  const clock = new ManualClock()
  const backoff = new Backoff({ clock })
  const pauses: number[] = []
  for (let probe = 0; probe < 9; probe += 1) {
    backoff.failed(backoff.start(), new Error('down'))
    pauses.push(backoff.retryInMs)
    clock.advance(backoff.retryInMs)
  }
  assert.deepEqual(pauses, [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000])
})

test('attempts that were under way together are one failure', () => {
  const clock = new ManualClock()
  const backoff = new Backoff({ clock })
  const wave = Array.from({ length: 20 }, () => backoff.start())
  clock.advance(10)
  for (const attempt of wave) backoff.failed(attempt, new Error('down'))
  assert.equal(backoff.retryInMs, 250)
})
