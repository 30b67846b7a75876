// The keeper: rounds, what fails in them, and its end.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DatabaseUnavailableError, InvalidInputError } from '../../src/errors.ts'
import { type KeptRound, keep } from '../../src/operations/keeper.ts'

const target = { isolation: 'schema', region: 'default', count: 2 } as const
const idle = { operations: { resumeAll: async () => [] }, fillStock: async () => 0 }

/** Runs until so many rounds are over. */
async function rounds(count: number, parts: Parameters<typeof keep>[0]): Promise<readonly KeptRound[]> {
  const stop = new AbortController()
  const seen: KeptRound[] = []
  const onRound = (round: KeptRound): void => {
    seen.push(round)
    if (seen.length === count) stop.abort()
  }
  await keep(parts, { everyMs: 100, stock: [target, { ...target, region: 'eu' }], signal: stop.signal, onRound })
  return seen
}

test('a round that fails is told of, does not keep the stock from being filled, and is tried again', async () => {
  let calls = 0
  const seen = await rounds(2, {
    operations: {
      resumeAll: async () => {
        calls += 1
        if (calls === 1) throw new DatabaseUnavailableError('It is away.')
        return []
      },
    },
    fillStock: async ({ region }) => {
      if (region === 'eu') throw new TypeError('x is not a function')
      return 1
    },
  })
  assert.deepEqual(
    seen.map(({ made, errors }) => [made, errors.map(({ code }) => code)]),
    [
      [1, ['PW_DATABASE_UNAVAILABLE', 'PW_INTERNAL']],
      [1, ['PW_INTERNAL']],
    ],
  )
})

test('it ends in the middle of a pause, begins no round after its end, and refuses a pace that is none', async () => {
  const stop = new AbortController()
  const kept = keep(idle, { everyMs: 3_600_000, signal: stop.signal, onRound: () => setImmediate(() => stop.abort()) })
  await kept
  const none: KeptRound[] = []
  await keep(idle, { signal: stop.signal, onRound: (round) => none.push(round) })
  assert.deepEqual(none, [])
  for (const everyMs of [0, 99, 3_600_001, 100.5, Number.NaN]) {
    await assert.rejects(keep(idle, { everyMs, signal: stop.signal }), InvalidInputError)
  }
})

test('it makes the backups that are due: those that failed are told of, and the others counted', async () => {
  const failed = { error: new DatabaseUnavailableError('It is away.') }
  const answers = [[{ error: undefined }, failed, { error: undefined }], []]
  const seen = await rounds(2, { ...idle, backUp: async () => answers.shift()! })
  assert.deepEqual(
    seen.map(({ backedUp, errors }) => [backedUp, errors.map(({ code }) => code)]),
    [
      [2, ['PW_DATABASE_UNAVAILABLE']],
      [0, []],
    ],
  )
})
