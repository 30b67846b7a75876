import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { text as readText } from 'node:stream/consumers'
import { test } from 'node:test'
import { pino } from 'pino'
import { LogLeakError } from '../../src/errors.ts'
import { logGuard } from '../../src/testing/log-guard.ts'

const leakOf = (write: (log: ReturnType<typeof pino>) => void): LogLeakError => {
  const guard = logGuard({ fields: ['documents.title'], absent: ['Ada Lovelace'] })
  write(pino(guard))
  try {
    guard.assertClean()
  } catch (error) {
    assert.ok(error instanceof LogLeakError)
    return error
  }
  return assert.fail('nothing was found')
}

test('a clean log passes', () => {
  const guard = logGuard()
  pino(guard).info({ tenantId: '01a20da3-2f37-7495-977a-63ac5b6ad9ac', hasEmail: true, email: '[redacted]', phone: null }, 'done')
  guard.assertClean()
  assert.deepEqual(guard.leaks, [])
})

test('an address, a token, a personal field and a text of the test’s own are found, and not told again', () => {
  const cases = [
    ['email address', 'ada@acme.example', (log: ReturnType<typeof pino>) => log.info('mail to ada@acme.example')],
    ['credential', 'abcdefgh12345', (log) => log.info({ header: 'Bearer abcdefgh12345' })],
    ['value of “title”', 'Last will', (log) => log.info({ document: { title: 'Last will' } })],
    ['text that must not be there', 'Ada Lovelace', (log) => log.error(new TypeError('no such person: Ada Lovelace'))],
  ] as const satisfies readonly (readonly [string, string, (log: ReturnType<typeof pino>) => void])[]
  for (const [kind, secret, write] of cases) {
    const error = leakOf(write)
    assert.equal(error.code, 'PW_LOG_LEAK')
    assert.ok(error.message.includes(kind), error.message)
    assert.ok(!JSON.stringify([error.message, error.details]).includes(secret), error.message)
  }
})

test('a guard that has seen no line proves nothing', () => {
  assert.throws(() => logGuard().assertClean(), LogLeakError)
})

test('it reads along with a stream, in whatever pieces, and takes nothing from it', async () => {
  const stream = new PassThrough()
  const guard = logGuard().watch(stream)
  stream.write('first\nmail to ada@ac')
  stream.write(Buffer.from('me.example'))
  assert.throws(() => guard.assertClean(), /email address/)
  stream.end('\nafter bob@acme.example\n')
  assert.equal(guard.leaks.length, 1, 'after the end it does not read along')
  assert.equal(await readText(stream), 'first\nmail to ada@acme.example\nafter bob@acme.example\n')
})
