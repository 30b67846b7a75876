// Questions, and what happens where nobody can answer.

import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { confirm, confirmByName } from '../../src/cli/prompts.ts'
import { AbortedError, ConfigurationError } from '../../src/errors.ts'
import { recordedTerminal } from '../support/terminal.ts'

/** Somebody who presses these keys when the question is on the screen. */
function sitting(keys: string) {
  const [input, output] = [new PassThrough(), new PassThrough()]
  output.on('data', (drawn: Buffer) => drawn.includes('acme') && setImmediate(() => input.write(keys)))
  return recordedTerminal({ isTerminal: true, interactive: { input, output } })
}

const question = { message: 'Purge acme?', instead: '--yes', name: 'acme' }

test('what cannot be undone is confirmed by its name, letter by letter', async () => {
  assert.equal(await confirmByName(sitting('acme\r'), question), true)
  assert.equal(await confirmByName(sitting('acm\r'), question), false)
  await assert.rejects(confirmByName(sitting('\u0003'), question), AbortedError)
})

test('where nobody can answer, the option that does is named, and nothing is assumed', async () => {
  for (const ask of [confirm, confirmByName]) {
    await assert.rejects(ask(recordedTerminal(), question), (error: Error) => {
      assert.ok(error instanceof ConfigurationError)
      assert.match(error.message, /--yes/)
      return true
    })
  }
})
