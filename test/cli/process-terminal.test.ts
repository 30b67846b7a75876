// The real terminal, on streams that a test can read.

import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { processTerminal } from '../../src/cli/process-terminal.ts'

function streams(isTTY: boolean) {
  const screen: string[] = []
  const stream = () => {
    const made = Object.assign(new PassThrough(), { isTTY, columns: 100 })
    made.on('data', (chunk: Buffer) => screen.push(chunk.toString()))
    return made as unknown as NodeJS.WriteStream
  }
  const exits: number[] = []
  const exit = (code: number) => void exits.push(code)
  const [stdin, stdout, stderr] = [stream() as unknown as NodeJS.ReadStream, stream(), stream()]
  return { screen, exits, own: { stdin, stdout, stderr, env: {}, cwd: () => '/', exit } }
}

const untilStopped = async () => {}

test('lines go above what is drawn, and drawing the same again writes nothing', async () => {
  const { screen, own } = streams(true)
  const terminal = processTerminal(own, untilStopped)
  terminal.draw('50 %')
  terminal.draw('50 %')
  terminal.print('a line')
  terminal.draw('')
  await new Promise((resolve) => setImmediate(resolve))
  const erase = '\r\u001B[2K'
  assert.equal(screen.join(''), `${erase}50 %${erase}a line\n${erase}50 %${erase}`)
  assert.deepEqual([terminal.isTerminal, terminal.columns, terminal.interactive === undefined], [true, 100, false])
})

test('what is drawn may have several lines, and all of them are taken away before the next', async () => {
  const { screen, own } = streams(true)
  const terminal = processTerminal(own, untilStopped)
  terminal.draw('one\ntwo\nthree')
  terminal.print('a line')
  terminal.draw('')
  await new Promise((resolve) => setImmediate(resolve))
  const [erase, above] = ['\r\u001B[2K', '\u001B[1A\u001B[2K']
  const block = 'one\ntwo\nthree'
  assert.equal(screen.join(''), `${erase}${block}${erase}${above}${above}a line\n${erase}${block}${erase}${above}${above}`)
})

test('nobody is asked in a pipe or a CI', () => {
  const { own } = streams(true)
  assert.equal(processTerminal({ ...own, env: { CI: '1' } }, untilStopped).interactive, undefined)
  const piped = processTerminal(streams(false).own, untilStopped)
  assert.deepEqual([piped.isTerminal, piped.interactive], [false, undefined])
})

test('a reader that has read enough ends the program quietly; another failure is told', () => {
  const { own, exits } = streams(false)
  processTerminal(own, untilStopped)
  assert.throws(() => own.stdout.emit('error', Object.assign(new TypeError('disk'), { code: 'ENOSPC' })), /disk/)
  own.stdout.emit('error', Object.assign(new TypeError('pipe'), { code: 'EPIPE' }))
  assert.deepEqual(exits, [0])
})
